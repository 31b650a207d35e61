"""A move that broke off between two of its steps is told from one that never began, and the ledger says when what was champion."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.lake.table import LakeTable
from platform_assets.registry.base import CHAMPION, ModelRegistry, RegisteredVersion
from platform_assets.registry.champion_moves import move_champion, settle
from platform_assets.registry.errors import RegistryError, RegistryUnreachable
from platform_assets.registry.ledger import LEDGER_SCHEMA, Entry, Ledger, ledger_table
from platform_assets.registry.mlflow_registry import MlflowRegistry
from platform_assets.registry.promotion import promote

Register = Callable[[str], RegisteredVersion]
AT = datetime(2024, 1, 8, tzinfo=UTC)


class Crash(RuntimeError):
    """The process ended here."""


class CrashingLedger(Ledger):
    """Ends after the alias has moved and before the entry is written."""

    def record(self, entry: Entry) -> bool:
        raise Crash


class CrashingRegistry(MlflowRegistry):
    """Ends after the intent is written and before the alias has moved."""

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        raise Crash


def evidence(version: RegisteredVersion, champion: str | None) -> dict[str, Any]:
    return {"passed": True, "reason": "better", "model_version": version.version, "champion": champion}


def champion_of(registry: ModelRegistry, use_case: str) -> str | None:
    found = registry.by_alias(use_case, CHAMPION)
    return found.version if found else None


def move(registry: ModelRegistry, ledger: Ledger, version: RegisteredVersion, hours: int) -> None:
    move_champion(registry, ledger, "promoted", version, {}, AT + timedelta(hours=hours), f"run {hours}")


def at(ledger: Ledger, use_case: str, *hours: float) -> list[str | None]:
    return [ledger.champion_at(use_case, AT + timedelta(hours=hour)) for hour in hours]


def test_a_move_that_lacks_only_its_entry_gets_it_with_the_time_of_the_move(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    move(registry, ledger, first, 1)
    with pytest.raises(Crash):
        move(registry, CrashingLedger(ledger.table), second, 2)
    assert champion_of(registry, use_case) == "2"
    settled = settle(registry, ledger, use_case)
    assert settled is not None
    assert settled.model_version == "2"
    assert at(ledger, use_case, 0.5, 1.5, 2.5) == [None, "1", "2"]
    assert settle(registry, ledger, use_case) is None, "once"


def test_a_move_whose_alias_did_not_follow_did_not_happen(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second, third = register("2024-01-01"), register("2024-01-08"), register("2024-01-15")
    move(registry, ledger, first, 1)
    with pytest.raises(Crash):
        move(CrashingRegistry(registry.tracking_uri), ledger, second, 2)
    assert settle(registry, ledger, use_case) is None
    assert at(ledger, use_case, 2.5) == ["1"]
    move(registry, ledger, third, 3)
    move(registry, ledger, second, 4)
    assert settle(registry, ledger, use_case) is None, "the intent of hour 2 is not taken for the move of hour 4"
    assert at(ledger, use_case, 2.5, 3.5, 4.5) == ["1", "3", "2"]


def test_clocks_that_disagree_do_not_turn_the_order_round(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    move(registry, ledger, first, 5)
    move(registry, ledger, second, 4)
    assert ledger.moves(use_case)["model_version"].to_list() == ["1", "2"]


def test_whoever_is_overtaken_is_told_and_writes_nothing(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")

    class Overtaken(MlflowRegistry):
        def set_alias(self, use_case: str, alias: str, version: str) -> None:
            super().set_alias(use_case, alias, version)
            registry.set_alias(use_case, alias, second.version)

    with pytest.raises(RegistryError, match="another process made it 2"):
        move(Overtaken(registry.tracking_uri), ledger, first, 1)
    assert ledger.entries(use_case).is_empty()


def test_each_environment_has_its_own_champion_and_its_own_past(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    staging, its_ledger = registry.of("staging"), ledger.of("staging")
    promote(registry, ledger, first, evidence(first, None), AT, "a")
    promote(staging, its_ledger, second, evidence(second, None), AT + timedelta(hours=1), "b")
    assert champion_of(registry, use_case) == "1"
    assert champion_of(staging, use_case) == "2"
    assert registry.aliases(use_case) == {"1": ["champion"], "2": ["challenger", "staging-champion"]}
    assert ledger.moves(use_case)["model_version"].to_list() == ["1"]
    assert its_ledger.moves(use_case)["model_version"].to_list() == ["2"]
    assert its_ledger.champion_at(use_case, AT) is None


def test_a_ledger_from_before_environments_is_read_as_production_s_and_written_on(tmp_path: Path) -> None:
    old = {name: kind for name, kind in LEDGER_SCHEMA.items() if name != "environment"}
    row = {
        "entry": "old", "at": AT, "use_case": "fraud", "action": "promoted", "model_version": "1", "previous_version": None,
        "release": None, "evidence": "{}", "run_id": "run",
    }  # fmt: skip
    uri = str(tmp_path / "fraud" / "model" / "ledger")
    LakeTable(uri, old).append(pl.DataFrame([row], schema=old))
    ledger = Ledger(ledger_table(uri))
    assert ledger.champion_at("fraud", AT) == "1"
    ledger.record(Entry("new", AT + timedelta(hours=1), "fraud", "promoted", "2", "1", None, {}, "run"))
    assert ledger.moves("fraud")["model_version"].to_list() == ["1", "2"]


def test_an_unreachable_registry_is_told_and_leaves_the_ledger_as_it_was(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    first, second = register("2024-01-01"), register("2024-01-08")
    promote(registry, ledger, first, evidence(first, None), AT, "a")
    before = ledger.entries(use_case)
    away = MlflowRegistry("http://someone:secret@127.0.0.1:9")
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:9 did not answer.*ask again") as told:
        promote(away, ledger, second, evidence(second, "1"), AT, "b")
    assert "secret" not in str(told.value)
    assert ledger.entries(use_case).equals(before)
    assert champion_of(registry, use_case) == "1"
    assert promote(registry, ledger, second, evidence(second, "1"), AT, "c").moved


def test_a_registry_that_goes_away_in_the_middle_of_a_promotion_leaves_the_last_champion(
    registry: MlflowRegistry, ledger: Ledger, register: Register, use_case: str
) -> None:
    class GoesAway(MlflowRegistry):
        def set_alias(self, use_case: str, alias: str, version: str) -> None:
            raise RegistryUnreachable("gone")

    first, second = register("2024-01-01"), register("2024-01-08")
    promote(registry, ledger, first, evidence(first, None), AT, "a")
    with pytest.raises(RegistryUnreachable):
        promote(GoesAway(registry.tracking_uri), ledger, second, evidence(second, "1"), AT + timedelta(hours=1), "b")
    assert champion_of(registry, use_case) == "1"
    assert at(ledger, use_case, 9) == ["1"]
    assert promote(registry, ledger, second, evidence(second, "1"), AT + timedelta(hours=2), "c").moved
    assert at(ledger, use_case, 1.5, 9) == ["1", "2"]
