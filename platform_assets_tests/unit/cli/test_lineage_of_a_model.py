"""`platform-assets lineage --model`: a model by number or alias, and versions of tables further up than it records."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.table import LakeTable
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.fake_registry import FakeRegistry

LABELS = "card_fraud/clean/labels"
DAY = date(2018, 4, 1)
Run = Callable[..., str]


def registry() -> FakeRegistry:
    """One model, the champion, made from version 2 of the clean labels."""
    made_from = json.dumps({f"/{LABELS}": 2})
    registry = FakeRegistry()
    registry.add(RegisteredVersion("card_fraud", "1", "run", {"as_of": "2018-05-01", "data_versions": made_from}))
    registry.set_alias("card_fraud", CHAMPION, "1")
    return registry


def write_day(table: LakeTable, scenario: int) -> None:
    """One row, everything in it filled."""
    values = {
        pl.Int64: 7,
        pl.Int8: scenario,
        pl.Datetime: datetime(2018, 4, 1, 12, tzinfo=UTC),
        pl.Date: DAY,
        pl.String: "x",
    }
    row = {name: [values[dtype.base_type()]] for name, dtype in table.schema.items()}
    table.write_partitions(pl.DataFrame(row, schema=table.schema), DAY, DAY)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Raw labels 1, then clean labels 1 and 2, then raw labels 2 and clean labels 3; number 2 went into a model."""
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    monkeypatch.setattr(ModelStore, "registry", lambda self: registry())
    lake = Lake(root=str(tmp_path / "lake"))
    catalog = Catalog(declared_use_cases("card_fraud")[0].use_case, lake)
    raw, clean = catalog.raw("labels").stored, catalog.clean("labels").stored
    for number, tables in enumerate([[raw, clean], [clean], [raw, clean]]):
        for table in tables:
            write_day(table, number)
            time.sleep(0.01)  # commits carry milliseconds
    return lake


@pytest.fixture
def run(lake: Lake) -> Run:
    def run(*arguments: str, fails: bool = False) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == int(fails), result.output
        return " ".join(result.output.split())

    return run


def test_where_a_feature_comes_from_in_the_versions_of_a_model(run: Run) -> None:
    told = run("lineage", "card_fraud", "terminal_fraud_ratio_7d", "--up", "--model", "champion")
    assert "model/classifier.terminal_fraud_ratio_7d version 1 comes from" in told
    assert "clean/labels.is_fraud version 2" in told
    assert "raw/labels.is_fraud version 1" in told  # what was there when the clean version was written
    assert "source/labels: is_fraud" in told
    assert "goes into" not in told
    assert "raw/labels.is_fraud version 2" in run("lineage", "card_fraud", "terminal_fraud_ratio_7d", "--up")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["card_fraud", "amount", "--model", "2"], "no version 2"),
        (["card_fraud", "amount", "--model", "best"], "has the alias best"),
    ],
)
def test_lineage_that_cannot_be_told(run: Run, arguments: list[str], words: str) -> None:
    assert words in run("lineage", *arguments, fails=True).replace("'", "")
