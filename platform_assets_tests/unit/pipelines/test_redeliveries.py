"""Files that come or change after their day was loaded are noticed, with what to run."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets.pipelines.redeliveries import Redelivery, load_again_command, redeliveries
from platform_assets_tests.unit.pipelines.file_days import MONDAY, FileDays, sales

TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


def noticed(shop: FileDays) -> list[Redelivery]:
    return redeliveries(shop.catalog, SourceReader(), shop.source, shop.folder)


def later(shop: FileDays, name: str) -> None:
    path = shop.folder / name
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000_000))


def test_a_changed_and_an_additional_file_are_noticed_until_the_day_is_loaded_again(tmp_path: Path) -> None:
    shop = FileDays(tmp_path)
    shop.deliver(MONDAY, [6, 6, 6])
    assert noticed(shop) == [], "nothing was loaded yet"
    shop.load(MONDAY, WEDNESDAY)
    assert noticed(shop) == []
    shop.write(f"{MONDAY}.csv", sales(MONDAY, 7))
    later(shop, f"{MONDAY}.csv")
    shop.write(f"{WEDNESDAY}_more.csv", sales(WEDNESDAY, 2, first=1))
    (tmp_path / f"{TUESDAY}.csv").unlink()
    shop.deliver(WEDNESDAY + timedelta(days=1), [6])
    assert noticed(shop) == [
        Redelivery(MONDAY, (f"{MONDAY}.csv",), ()),
        Redelivery(WEDNESDAY, (), (f"{WEDNESDAY}_more.csv",)),
    ]
    shop.load(MONDAY)
    assert [one.day for one in noticed(shop)] == [WEDNESDAY]
    assert (
        load_again_command(shop.use_case, shop.source, WEDNESDAY)
        == f"dg launch --job small__load --partition {WEDNESDAY}"
    )


def test_a_file_for_a_day_that_was_loaded_as_closed_is_noticed(tmp_path: Path) -> None:
    shop = FileDays(tmp_path, calendar="any")
    shop.deliver(MONDAY, [6, None, 6])
    shop.load(MONDAY, WEDNESDAY)
    shop.load(TUESDAY)
    shop.deliver(TUESDAY, [3])
    assert noticed(shop) == [Redelivery(TUESDAY, (), (f"{TUESDAY}.csv",))]


@pytest.mark.parametrize(("path", "name"), [("{event_month}.csv", "2024-03.csv"), ("{event_year}.csv", "2024.csv")])
def test_in_a_file_of_many_days_the_rows_of_the_loaded_days_decide(tmp_path: Path, path: str, name: str) -> None:
    shop = FileDays(tmp_path, connector={"kind": "files", "format": "csv", "path": path})
    shop.write(name, [*sales(MONDAY, 6), *sales(TUESDAY, 6)])
    shop.load(MONDAY, TUESDAY)
    shop.write(name, [*sales(MONDAY, 6), *sales(TUESDAY, 6), *sales(WEDNESDAY, 6)])
    later(shop, name)
    assert noticed(shop) == [], "a day was added, as each day"
    late = [*sales(MONDAY, 6), *sales(TUESDAY, 6), *sales(TUESDAY, 1, first=7)]
    shop.write(name, late)
    later(shop, name)
    assert noticed(shop) == [Redelivery(TUESDAY, (name,), ())]
    shop.load(TUESDAY)
    assert noticed(shop) == []


def test_a_file_that_was_written_again_with_the_same_rows_is_no_other_delivery(tmp_path: Path) -> None:
    shop = FileDays(tmp_path)
    shop.deliver(MONDAY, [6])
    shop.load(MONDAY)
    later(shop, f"{MONDAY}.csv")
    assert noticed(shop) == []


def test_a_changed_file_that_cannot_be_read_is_noticed(tmp_path: Path) -> None:
    shop = FileDays(tmp_path)
    shop.deliver(MONDAY, [6])
    shop.load(MONDAY)
    (tmp_path / f"{MONDAY}.csv").write_text("something else\n1\n")
    assert [one.day for one in noticed(shop)] == [MONDAY]


def test_the_command_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    shop = FileDays(tmp_path)
    declared = DeclaredUseCase(shop.use_case, tmp_path)
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda name: [declared])
    object.__setattr__(shop, "catalog", Installation.from_environment().catalog(shop.use_case))
    shop.deliver(MONDAY, [6])
    shop.load(MONDAY)
    shop.write(f"{MONDAY}_late.csv", sales(MONDAY, 2, first=1))
    result = CliRunner().invoke(app, ["sources", "check"])
    shown = " ".join(result.output.split())
    assert result.exit_code == 0
    assert f"events: 1 loaded days have other files now: {MONDAY} ({MONDAY}_late.csv is new)" in shown
    assert f"dg launch --job small__load --partition {MONDAY}" in shown
