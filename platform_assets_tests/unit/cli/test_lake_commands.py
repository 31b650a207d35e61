"""`platform-assets lake`: every file read, the first wrong one named, and the exit code that says so."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli.main import app
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeDamaged
from platform_assets.pipelines.verify_lake import refuse_damaged
from platform_assets.settings import Settings

NAME = "card_fraud"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    monkeypatch.delenv("PLATFORM_ASSETS_LAKE", raising=False)
    [declared] = declared_use_cases(NAME)
    installation = Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path)}))
    catalog = installation.catalog(declared.use_case)
    table, first = catalog.parity, declared.use_case.history.first_day
    for number in range(3):
        day = first + timedelta(days=number)
        row = dict.fromkeys(table.schema) | {"status": "ok", "event_day": day}
        table.write_partitions(pl.DataFrame([row], schema=table.schema), day, day)
    return catalog


def lake(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["lake", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_a_lake_as_it_was_written(catalog: Catalog) -> None:
    code, text = lake("verify")
    assert code == 0
    assert "card_fraud/monitoring/parity: version 3, 3 files" in text
    assert "as written" in text


def test_the_first_wrong_file_is_named_and_the_exit_code_is_not_zero(catalog: Catalog) -> None:
    file = sorted(Path(catalog.parity.uri).glob("event_day=*/*.parquet"))[1]
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    code, text = lake("verify", NAME)
    assert code == 1
    assert file.name in text
    assert "1 tables are not what was written" in text


def test_a_copy_that_was_put_back_is_accepted_with_who_and_why(catalog: Catalog) -> None:
    newest = sorted(Path(catalog.parity.uri, "_delta_log").glob("*.json"))[-1]
    newest.unlink()
    assert lake("verify")[0] == 1
    code, text = lake("accept", f"{NAME}/monitoring/parity", "--why", "restored on purpose", "--who", "operations")
    assert (code, "right at version 2" in text) == (0, True)
    assert catalog.parity.read().height == 2
    assert lake("verify")[0] == 0
    assert catalog.parity.known is not None
    [decision] = Path(catalog.parity.known, "accepted").glob("*.json")
    assert '"why": "restored on purpose"' in decision.read_text()


def test_a_table_that_was_removed_to_be_made_again(catalog: Catalog) -> None:
    rows = catalog.parity.read()
    shutil.rmtree(catalog.parity.uri)
    with pytest.raises(LakeDamaged, match="is gone"):
        catalog.parity.append(rows)
    assert lake("accept", f"{NAME}/monitoring/parity", "--why", "to be made again")[0] == 0
    catalog.parity.append(rows)
    assert catalog.parity.read().height == 3


def test_what_is_no_table_is_no_table_to_accept(catalog: Catalog) -> None:
    code, text = lake("accept", f"{NAME}/monitoring/nothing", "--why", "it should be there")
    assert code == 1
    assert "there is no table" in text
    assert lake("accept", f"{NAME}/monitoring/parity", "--why", " ")[0] == 1


def test_a_run_looks_at_every_table_although_nothing_is_due(catalog: Catalog) -> None:
    refuse_damaged(catalog)
    sorted(Path(catalog.parity.uri, "_delta_log").glob("*.json"))[-1].write_bytes(b"")
    with pytest.raises(LakeDamaged, match="monitoring/parity"):
        refuse_damaged(catalog)
