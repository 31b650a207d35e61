"""`platform-assets sources check`: a table, problems with what to do, an exit code, and nothing written."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.sources import cursor_text
from platform_assets.declaration import load_use_case
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.declaration.template import use_case_template
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.take_in_changes import CURSOR, current_cursor

CSV = "event_id,event_time,user_id,value,label\n1,2024-03-01T12:00:00,1,2.5,0\n"


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeclaredUseCase:
    """The template's use case, the only one there is, with incremental files as its source of events."""
    document = yaml.safe_load(use_case_template("churn"))
    for source in document["attributes"]["sources"]:
        source["connector"] = {"kind": "files", "format": "csv", "path": f"{source['name']}.csv"}
    events = next(s for s in document["attributes"]["sources"] if s["name"] == document["attributes"]["events"])
    events["connector"] = {"kind": "files", "format": "csv", "path": "in", "incremental": True}
    folder = tmp_path / "churn"
    folder.mkdir()
    (folder / "defs.yaml").write_text(yaml.safe_dump(document))
    found = DeclaredUseCase(load_use_case(folder), folder)
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda name: [found])
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path / "home"))
    return found


def write_sources(declared: DeclaredUseCase) -> None:
    """One row of each source."""
    values = {
        "int64": "1",
        "float64": "2.5",
        "string": "x",
        "datetime": "2024-03-01T12:00:00",
        "int8": "0",
        "bool": "true",
    }
    for source in declared.use_case.sources:
        text = ",".join(source.column_names) + "\n" + ",".join(values[column.type] for column in source.columns) + "\n"
        is_events = source.name == declared.use_case.events
        path = declared.folder / "in" / "a.csv" if is_events else declared.folder / f"{source.name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_usable_sources(declared: DeclaredUseCase, tmp_path: Path) -> None:
    write_sources(declared)
    result = CliRunner().invoke(app, ["sources", "check", "churn"])
    assert result.exit_code == 0, result.output
    for source in declared.use_case.sources:
        assert source.name in result.output
    assert "2024-03-01 12:00" in result.output
    assert "NOT USABLE" not in result.output
    assert not (tmp_path / "home").exists(), "it only looks"


def test_a_source_that_cannot_be_used(declared: DeclaredUseCase) -> None:
    write_sources(declared)
    (declared.folder / "in" / "a.csv").unlink()
    result = CliRunner().invoke(app, ["sources", "check"])
    assert result.exit_code == 1
    assert "NOT USABLE" in result.output
    assert "no csv file at 'in'" in result.output
    assert "defs.yaml" in result.output


def test_the_cursor_is_the_one_committed_last(declared: DeclaredUseCase, tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path / "lake"))
    table = Catalog(declared.use_case, lake).raw(declared.use_case.events).stored
    assert current_cursor(table) is None
    assert not (tmp_path / "lake").exists()
    row = pl.DataFrame({name: [None] for name in table.schema}, schema=table.schema)
    for cursor in ("one", "two"):
        table.append(row.with_columns(event_day=pl.date(2024, 3, 1)), metadata={CURSOR: cursor})
    assert current_cursor(table) == "two"


@pytest.mark.parametrize(
    ("cursor", "shown"),
    [
        (None, ""),
        ('{"topic": "t", "offsets": {"0": 5, "3": 7}}', "[0]@5, [3]@7"),
        ('{"at": [{"datetime": "2024-03-01T12:00:00"}, 5], "since": null, "seen": ""}', "2024-03-01T12:00:00"),
        ('{"at": [17, 5], "since": null, "seen": ""}', "17"),
        ('{"at": null, "since": null, "seen": ""}', "None"),
        ('{"files": 3, "last": "c.csv", "delivered": "AAAA"}', "3 files, last c.csv"),
        ('{"version": 3, "rows": 0, "snapshot": false}', "version 3, rows 0"),
    ],
)
def test_cursors_are_shown_by_their_short_parts(cursor: str | None, shown: str) -> None:
    assert cursor_text(cursor) == shown
