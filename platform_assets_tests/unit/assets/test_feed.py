"""A feed end to end: changes from files to the clean table, and what is told of them."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.assets.build import build_assets
from platform_assets.assets.common import asset_key
from platform_assets.assets.tables import clean_rows, raw_table
from platform_assets.resources.lake import LakeResource
from platform_assets.resources.sources import SourcesResource
from platform_assets.spec import UseCase, load_use_case

FOLDER = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"
FIRST, SECOND, THIRD = (date(2018, 4, day) for day in (2, 3, 4))
ANY_VOLUME = {"max_refused_ratio": 1.0, "volume": {"min_history": 100}}


def with_feed(deletes: str = "hard") -> UseCase:
    """The default use case, its transactions coming as changes from files in the Debezium envelope."""
    declared = load_use_case(FOLDER).model_dump(mode="json")
    for source in declared["sources"]:
        if source["name"] == "transactions":
            source["connector"] = {"kind": "change_feed", "path": "in", "settle_seconds": 0}
            source["changes"] = {"deletes": deletes}
            source["quality"] = ANY_VOLUME
            for column in source["columns"]:
                column.pop("references")
    return UseCase.model_validate(declared)


class Shop:
    """A source of changes, and the lake they end in."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, deletes: str = "hard") -> None:
        self.folder, self.instance = folder, instance
        self.use_case = with_feed(deletes)
        self.source = self.use_case.source("transactions")
        self.lake = LakeResource(root=str(folder / "lake"))
        self.resources = {"lake": self.lake, "sources": SourcesResource()}
        self.assets = {key: asset for asset in build_assets(self.use_case, folder) for key in asset.keys}
        self.deliveries = 0
        (folder / "in").mkdir()

    def deliver(self, *changes: dict[str, Any]) -> None:
        """A file of changes."""
        self.deliveries += 1
        path = self.folder / "in" / f"{self.deliveries:03}.jsonl"
        path.write_text("".join(f"{json.dumps(change)}\n" for change in changes))

    def materialize(self, layer: str, table: str, **options: Any) -> dg.ExecuteInProcessResult:
        asset = self.assets[asset_key(self.use_case, layer, table)]
        return dg.materialize(
            [asset], instance=self.instance, resources=self.resources, raise_on_error=False, **options
        )

    def feed(self, **config: Any) -> dict[str, Any]:
        """Run the feed; its metadata as plain values."""
        name = f"{self.use_case.name}__raw__transactions_feed"
        result = self.materialize("raw", "transactions_feed", run_config={"ops": {name: {"config": config}}})
        assert result.success
        events = result.asset_materializations_for_node(name)
        found = [event for event in events if event.asset_key.path[-1] == "transactions_feed"]
        return {key: value.value for key, value in found[-1].metadata.items()}

    def clean(self, *days: date) -> None:
        for day in days:
            assert self.materialize("clean", "transactions", partition_key=day.isoformat()).success

    def published(self) -> dict[int, tuple[date, float]]:
        """Amount and day by key, as features and models see them."""
        rows = clean_rows(self.lake, self.use_case, self.source)
        assert rows["transaction_id"].is_unique().all()
        return {row["transaction_id"]: (row["event_day"], row["amount"]) for row in rows.iter_rows(named=True)}

    def told_days(self) -> list[str]:
        """Partitions of the raw table that were told to be new, in the order of telling."""
        key = asset_key(self.use_case, "raw", "transactions")
        records = self.instance.fetch_materializations(key, limit=1000).records
        return [record.partition_key for record in reversed(records)]


def row(key: int | None, day: date | str, amount: float = 1.0, **more: Any) -> dict[str, Any]:
    time = day if isinstance(day, str) else f"{day}T12:00:00Z"
    return {
        "transaction_id": key,
        "transaction_time": time,
        "customer_id": 1,
        "terminal_id": 1,
        "amount": amount,
        **more,
    }


def change(lsn: int | None, after: dict[str, Any] | None, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"op": "u" if after else "d", "before": before, "after": after, "source": {"lsn": lsn}, "ts_ms": 1}


def delete(lsn: int, key: int | None) -> dict[str, Any]:
    return change(lsn, None, {"transaction_id": key})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def shop(tmp_path: Path, instance: dg.DagsterInstance) -> Shop:
    return Shop(tmp_path, instance)


def test_changes_reach_the_clean_table(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)), change(2, row(2, FIRST)), change(3, row(3, SECOND)))
    told = shop.feed()
    assert told["rows_by_operation"] == {"upsert": 3, "delete": 0}
    assert told["touched_days"] == [str(FIRST), str(SECOND)]
    shop.clean(FIRST, SECOND)
    shop.deliver(change(4, row(1, FIRST, 5.0)), change(5, row(2, THIRD, 7.0)), delete(6, 3))
    told = shop.feed()
    assert told["touched_days"] == [str(FIRST), str(SECOND), str(THIRD)]
    assert told["moved_rows"] == 1
    shop.clean(FIRST, THIRD)
    assert shop.published()[1] == (FIRST, 5.0)
    assert shop.published()[2] == (THIRD, 7.0)


def test_nothing_new_makes_no_commit_and_tells_no_day(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)))
    shop.feed()
    version = raw_table(shop.lake, shop.use_case, shop.source).version()
    assert shop.feed()["touched_days"] == []
    assert raw_table(shop.lake, shop.use_case, shop.source).version() == version
    assert shop.told_days() == [str(FIRST)]
