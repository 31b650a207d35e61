"""Sources and lake as resources: credentials come from the environment when they are used, and are shown nowhere."""

import os
from pathlib import Path

import polars as pl
import pytest

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source
from platform_assets.installation import Installation
from platform_assets.settings import source_access

OPTIONS = '{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_SECRET_ACCESS_KEY": "hidden"}'


def test_options_of_the_object_store_reach_tables_that_lie_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_OBJECT_STORE", OPTIONS)
    remote, local = (
        Installation.from_environment({**os.environ, "PLATFORM_ASSETS_LAKE": root}).lake.table(
            "churn", "raw", "events", {"x": pl.Int64()}
        )
        for root in ("s3://b/lake", "/lake")
    )
    assert remote.storage_options is not None
    assert remote.storage_options["AWS_SECRET_ACCESS_KEY"] == "hidden"
    assert local.storage_options is None


def test_credentials_are_read_when_they_are_used_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_OBJECT_STORE", OPTIONS)
    monkeypatch.setenv("SHOP_DATABASE", "postgresql://u:hidden@h/d")
    installation = Installation.from_environment()
    access = source_access()
    assert access.variables["SHOP_DATABASE"].endswith("/d")
    assert access.object_store["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert "hidden" not in f"{access!r} {installation.sources!r} {installation.lake!r}"


def test_changes_are_read_through_the_resource(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("ride_id,at\n1,2024-03-01\n")
    columns = [{"name": name, "type": "string", "description": "x"} for name in ("ride_id", "at")]
    source = Source.model_validate(
        {
            "name": "rides",
            "description": "One ride.",
            "connector": {"kind": "files", "format": "csv", "path": "in", "incremental": True, "settle_seconds": 0},
            "primary_key": ["ride_id"],
            "event_time": "at",
            "columns": columns,
        }
    )
    batch = SourceReader().read_changes(source, tmp_path, None, max_rows=10)
    assert batch.frame["ride_id"].to_list() == ["1"]
    assert SourceReader().read_changes(source, tmp_path, batch.cursor, max_rows=10).frame.height == 0
