"""Loading a generator that a declaration names, and the messages when it cannot be."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from pydantic import BaseModel

from platform_assets.simulation.card_payments import CardPayments
from platform_assets.simulation.generators import Generator, GeneratorError, load_generator

CARD_PAYMENTS = "platform_assets.simulation.card_payments:CardPayments"


class Settings(BaseModel):
    rows: int = 1


class NoSettings:
    tables = ("numbers",)


class NoRead:
    settings_type = Settings
    tables = ("numbers",)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Numbers(NoRead):
    def read(self, table: str, first_day: date | None, last_day: date | None) -> pl.DataFrame:
        return pl.DataFrame({"number": range(self.settings.rows)})


def test_the_card_payments_load_with_their_settings() -> None:
    generator = load_generator(CARD_PAYMENTS, {"customers": 10, "terminals": 20, "start": "2020-01-01"})
    assert isinstance(generator, CardPayments)
    assert generator.settings.start == date(2020, 1, 1)
    assert generator.read("customers", None, None).height == 10


def test_any_class_with_the_contract_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.simulation.card_payments.Numbers", Numbers, raising=False)
    generator: Generator = load_generator("platform_assets.simulation.card_payments:Numbers", {"rows": 3})
    assert generator.read("numbers", None, None)["number"].to_list() == [0, 1, 2]


@pytest.mark.parametrize(
    ("dotted", "settings", "parts"),
    [
        ("card_payments", {}, ["write it as package.module:Class"]),
        ("platform_assets.simulation.cards:CardPayments", {}, ["no module 'platform_assets.simulation.cards'"]),
        ("nowhere.at_all:CardPayments", {}, ["no module 'nowhere'"]),
        (CARD_PAYMENTS.replace(":Card", ":Cart"), {}, ["no class 'CartPayments'", "its generators are CardPayments"]),
        (CARD_PAYMENTS, {"costumers": 3}, ["no setting 'costumers'", "Settings: seed, customers, terminals"]),
        (CARD_PAYMENTS, {"radius": -1, "seed": "x"}, ["setting 'radius' is -1", "setting 'seed' is 'x'"]),
        ("platform_assets.simulation.card_payments:NoSettings", {}, ["needs a class attribute settings_type"]),
        ("platform_assets.simulation.card_payments:NoRead", {}, ["needs tables and read"]),
    ],
)
def test_what_cannot_be_loaded_says_why(
    monkeypatch: pytest.MonkeyPatch, dotted: str, settings: dict[str, object], parts: list[str]
) -> None:
    for other in (NoSettings, NoRead):
        monkeypatch.setattr(f"platform_assets.simulation.card_payments.{other.__name__}", other, raising=False)
    with pytest.raises(GeneratorError) as caught:
        load_generator(dotted, settings)
    for part in (dotted, *parts):
        assert part in str(caught.value)


def test_an_import_that_fails_inside_the_module_keeps_its_own_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "half_a_generator.py").write_text("import a_library_that_is_not_there\n")
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        load_generator("half_a_generator:Half", {})
