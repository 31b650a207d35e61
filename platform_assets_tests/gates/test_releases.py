"""Refused rows can be released by a recorded decision, and stay released as long as they are the same rows."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.quarantine import RowReleaseError, refused_rows, release, released_rows

from .conftest import World

FAULT = {"kind": "out_of_range", "column": "amount", "ratio": 0.02}


def catalog_of(world: World) -> Catalog:
    return Catalog(world.use_case, world.lake())


def tables(world: World) -> tuple[Any, Any, Any]:
    catalog = catalog_of(world)
    return catalog.quarantine("transactions"), catalog.releases("transactions"), catalog.clean("transactions")


def load(world: World, *layers: str, fault: dict[str, Any] | None = None) -> Any:
    keys = [key for key in world.table("transactions") if not layers or key[1] in layers]
    return world.materialize(keys, world.day, faults=[fault] if fault else None)


def clean_again(world: World) -> Any:
    return load(world, "clean", "quarantine", "profile")


def let_pass(world: World, day: date, rule: str, positions: tuple[str, ...] = ()) -> Any:
    rows = refused_rows(tables(world)[0], day, rule, positions)
    source = world.use_case.source("transactions")
    return release(catalog_of(world), source, rows, who="the owner of the data", why="refunds, agreed with finance")


def test_released_rows_are_published_and_stay_so_when_loaded_again(world: World) -> None:
    quarantine, releases, clean = tables(world)
    assert not load(world, fault=FAULT).success
    refused = refused_rows(quarantine, world.day).height
    assert let_pass(world, world.day, "minimum").rows == refused > 0
    result = clean_again(world)
    assert result.success
    [shown] = [e for e in result.get_asset_materialization_events() if e.asset_key.path[1] == "clean"]
    assert shown.step_materialization_data.materialization.metadata["rows_released"].value == refused
    assert (clean.read(world.day, world.day)["amount"] < 0).sum() == refused
    assert quarantine.count_by_partition().get(world.day, 0) == 0
    [decision] = releases.read()["who"].unique()
    assert decision == "the owner of the data"
    assert load(world, fault=FAULT).success, "the same rows, loaded again, are the ones that were released"
    assert (clean.read(world.day, world.day)["amount"] < 0).sum() == refused


def test_a_release_is_of_the_rows_as_they_were(world: World) -> None:
    assert not load(world, fault=FAULT).success
    let_pass(world, world.day, "minimum")
    assert not load(world, fault={**FAULT, "factor": 20}).success, "other values in the same places are not released"
    assert refused_rows(tables(world)[0], world.day, "minimum").height > 0


def test_rows_that_cannot_be_stored_are_not_released(world: World) -> None:
    assert not load(world, fault={"kind": "duplicates", "ratio": 0.02}).success
    with pytest.raises(RowReleaseError, match="another row of the day has the same transaction_id"):
        let_pass(world, world.day, "unique")
    assert not load(world, fault={"kind": "nulls", "column": "transaction_id", "ratio": 0.02}).success
    with pytest.raises(RowReleaseError, match="without its key"):
        let_pass(world, world.day, "not_null")
    assert not load(world, fault={"kind": "late_rows", "ratio": 0.02}).success
    with pytest.raises(RowReleaseError, match="of another day"):
        let_pass(world, world.day, "late")


def test_single_rows_are_released_by_position(world: World) -> None:
    quarantine, _, _ = tables(world)
    assert not load(world, fault=FAULT).success
    rows = refused_rows(quarantine, world.day)
    kept, chosen = rows["source_position"][0], tuple(rows["source_position"][1:])
    let_pass(world, world.day, "minimum", chosen)
    clean_again(world)
    left = refused_rows(quarantine, world.day)
    assert left["source_position"].to_list() == [kept]


def test_a_decision_has_an_author_and_a_reason(world: World) -> None:
    quarantine, _, _ = tables(world)
    assert not load(world, fault=FAULT).success
    source, rows = world.use_case.source("transactions"), refused_rows(quarantine, world.day)
    with pytest.raises(RowReleaseError, match="who decides and why"):
        release(catalog_of(world), source, rows, who=" ", why="because")
    with pytest.raises(RowReleaseError, match="no such row"):
        release(catalog_of(world), source, rows.clear(), who="someone", why="because")


def test_the_commands_list_show_and_release(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_LAKE", str(world.root))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assert not load(world, fault=FAULT).success
    refused = refused_rows(tables(world)[0], world.day).height

    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["quarantine", *arguments])
        return result.exit_code, result.output

    day = ("--day", world.day.isoformat())
    code, told = call("list", "card_fraud", *day)
    assert code == 0
    assert "minimum" in told
    assert f"{refused} rows in quarantine" in told
    code, told = call("show", "card_fraud", "transactions", *day, "--limit", "1")
    assert f"1 of {refused} rows shown" in told
    assert f"simulator:transactions:{world.day}" in told
    code, told = call("release", "card_fraud", "transactions", "--who", "a", "--why", "b")
    assert code == 1
    assert "say which rows" in told
    chosen = ("card_fraud", "transactions", *day, "--rule", "minimum")
    code, told = call("release", *chosen, "--who", "data owner", "--why", "refunds")
    assert code == 0, told
    assert f"released {refused} rows" in told
    assert (tables(world)[2].read(world.day, world.day)["amount"] < 0).sum() == refused
    assert "0 rows in quarantine" in call("list", "card_fraud", *day)[1]
    assert call("list", "card_fraud", "--table", "nothing")[0] == 1


def test_a_release_ends_with_its_last_day(world: World) -> None:
    quarantine, releases, _ = tables(world)
    assert not load(world, fault=FAULT).success
    source, rows = world.use_case.source("transactions"), refused_rows(quarantine, world.day)
    today = datetime.now(UTC).date()
    with pytest.raises(RowReleaseError, match="which is over"):
        release(catalog_of(world), source, rows, who="a", why="b", until=today - timedelta(days=1))
    last = today + timedelta(days=1)
    release(catalog_of(world), source, rows, who="a", why="b", until=last)
    assert released_rows(releases, None, last).height == rows.height
    assert released_rows(releases, None, last + timedelta(days=1)).is_empty()
