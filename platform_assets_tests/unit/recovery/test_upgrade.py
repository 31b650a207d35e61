"""A home of an earlier release is brought forward by the first write, and the backup from before is the way back."""

from datetime import UTC, datetime

import polars as pl
import pytest

from platform_assets.lake.errors import LakeSchemaError
from platform_assets.lake.layout import MODEL
from platform_assets.lake.schemas import LEDGER_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.registry.ledger import Entry

from .conftest import World


@pytest.fixture
def old_world(world: World) -> World:
    """A ledger as it was before there were environments, and tables without records of known versions."""
    uri = world.lake.uri("shop", MODEL, "ledger_of_before")
    schema = {name: dtype for name, dtype in LEDGER_SCHEMA.items() if name != "environment"}
    row = {
        "entry": "promoted 1",
        "at": datetime(2023, 1, 1, tzinfo=UTC),
        "use_case": "shop",
        "action": "promoted",
        "model_version": "1",
        "evidence": "{}",
        "run_id": "run",
    }
    LakeTable(uri, schema).append(pl.DataFrame([row], schema=schema))
    return world


def test_forward_by_the_first_write_and_back_by_the_backup(old_world: World) -> None:
    def ledger() -> LakeTable:
        lake = old_world.lake
        automatic = old_world.ledger().table.evolution
        return LakeTable(
            lake.uri("shop", MODEL, "ledger_of_before"),
            dict(LEDGER_SCHEMA),
            evolution=automatic,
            known=lake.known("shop", MODEL, "ledger_of_before"),
        )

    before = old_world.back_up()
    entry = Entry("promoted 2", datetime(2024, 1, 1, tzinfo=UTC), "shop", "promoted", "2", "1", None, {}, "run")
    row = {**entry.__dict__, "evidence": "{}", "environment": "production"}
    ledger().append(pl.DataFrame([row], schema=LEDGER_SCHEMA))
    now = ledger().read().sort("at")
    assert now.select("model_version", "environment").rows() == [("1", None), ("2", "production")], now
    old_world.restore(before, old_world.home, set_aside=True)
    schema = {name: dtype for name, dtype in LEDGER_SCHEMA.items() if name != "environment"}
    old_release = LakeTable(old_world.lake.uri("shop", MODEL, "ledger_of_before"), schema)
    assert old_release.read()["model_version"].to_list() == ["1"]
    with pytest.raises(LakeSchemaError, match="environment"):
        LakeTable(old_release.uri, dict(LEDGER_SCHEMA)).read()
    ledger().append(pl.DataFrame([row], schema=LEDGER_SCHEMA))
    assert ledger().read().height == 2, "the way forward is open again"
