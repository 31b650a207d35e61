"""`platform-assets versions` and `lineage`: what a person sees, and what they are told when it cannot be shown."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from platform_assets.cli import app
from platform_assets.cli.versions import moment_of
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.maintenance import maintain
from platform_assets.lake.table import LakeTable
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.mlflow_registry import MlflowRegistry

DAY = date(2018, 4, 1)


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeTable:
    """Clean labels in four versions; a model was made from the second."""
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = RegisteredVersion(
        "card_fraud", "3", "run", {"as_of": "2018-05-01", "data_versions": '{"/card_fraud/clean/labels": 2}'}
    )
    monkeypatch.setattr(MlflowRegistry, "versions", lambda self, name: [made])
    monkeypatch.setattr(MlflowRegistry, "by_alias", lambda self, name, alias: made)
    monkeypatch.setattr(MlflowRegistry, "get", lambda self, name, version: made)
    use_case = declared_use_cases("card_fraud")[0].use_case
    table = Catalog(use_case, Lake(root=str(tmp_path / "lake"))).clean("labels").stored
    for number in range(1, 4):
        row = {
            "transaction_id": number,
            "transaction_time": datetime(2018, 4, 1, tzinfo=UTC),
            "is_fraud": 0,
            "fraud_scenario": 0,
            "event_day": DAY,
        }
        table.write_partitions(pl.DataFrame([row], schema=table.schema), DAY, DAY)
    return table


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_tables_versions_and_pins_are_listed(labels: LakeTable) -> None:
    tables = asked("versions", "card_fraud")
    assert tables.exit_code == 0, tables.output
    assert "clean/labels" in tables.output
    history = asked("versions", "card_fraud/clean/labels")
    assert history.output.count("write_partitions") == 3
    assert "model version 3 (champion, challenger, as of 2018-05-01)" in history.output
    pins = asked("versions", "--pins", "card_fraud")
    assert "the current version" in pins.output
    assert "kept until then: clean/labels 2" in pins.output


def test_rows_as_of_a_version_or_a_time(labels: LakeTable) -> None:
    old = asked("versions", "card_fraud/clean/labels", "--at", "1")
    assert "version 1: 1 rows, 5 columns" in old.output
    now = asked("versions", "card_fraud/clean/labels", "--at", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}")
    assert "version 3" in now.output
    maintain(labels.uri, None, cluster_by=[], keep_versions=[2, 3], keep_days=0, dry_run=False)
    gone = asked("versions", "card_fraud/clean/labels", "--at", "1")
    assert gone.exit_code == 1
    assert "nothing pinned it" in gone.output
    assert "shows which versions are kept" in gone.output
    assert "gone" in asked("versions", "card_fraud/clean/labels").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("card_fraud/clean/label",), "Tables of card_fraud that are there: clean/labels"),
        (("card_fraud/labels",), "names no table"),
        (("no_such_use_case",), "there is no use case"),
        (("card_fraud", "--at", "1"), "one table"),
        (("card_fraud/clean/labels", "--at", "soon"), "neither a version nor a time"),
        (("card_fraud/clean/labels", "--at", "99"), "its versions are 0 .. 3"),
        (("card_fraud/clean/labels", "--at", "2001-01-01"), "has no version as of"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(labels: LakeTable, arguments: tuple[str, ...], words: str) -> None:
    result = asked("versions", *arguments)
    assert result.exit_code == (2 if arguments == ("no_such_use_case",) else 1)
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_day_means_its_end_and_a_time_without_zone_is_utc() -> None:
    assert moment_of("12") == 12
    assert moment_of("2018-06-01") == datetime(2018, 6, 1, 23, 59, 59, 999999, UTC)
    assert moment_of("2018-06-01T09:30") == datetime(2018, 6, 1, 9, 30, tzinfo=UTC)
    assert moment_of("2018-06-01T09:30+02:00") == datetime(2018, 6, 1, 7, 30, tzinfo=UTC)


def test_where_a_feature_comes_from_in_which_versions(labels: LakeTable) -> None:
    now = asked("lineage", "card_fraud", "terminal_fraud_ratio_7d", "--up")
    assert now.exit_code == 0, now.output
    assert "model/classifier.terminal_fraud_ratio_7d comes from" in now.output
    assert "clean/labels.is_fraud version 3" in now.output
    assert "source/transactions: terminal_id" in now.output
    assert "goes into" not in now.output
    then = asked("lineage", "card_fraud", "terminal_fraud_ratio_7d", "--up", "--model", "3")
    assert "clean/labels.is_fraud version 2" in then.output


def test_what_is_downstream_of_a_column(labels: LakeTable) -> None:
    result = asked("lineage", "card_fraud", "labels.is_fraud", "--down")
    assert result.output.count("source/labels.is_fraud goes into") == 1
    assert "features/terminal_risk.terminal_fraud_ratio_7d" in result.output
    assert "monitoring/quality" in result.output
    unknown = asked("lineage", "card_fraud", "is_frad")
    assert unknown.exit_code == 1
    assert "close names: is_fraud" in unknown.output
