"""A source of changes and the lake they end in, for tests of feeds.

Belongs here: running a feed and what is below it, and looking at what came out. Does not belong here: what is expected.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.metadata import asset_key
from platform_assets.settings import source_access

FOLDER = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"
ANY_VOLUME = {"max_refused_ratio": 1.0, "volume": {"min_history": 100}}


FILES = {"kind": "change_feed", "path": "in", "settle_seconds": 0}


def with_feed(deletes: str = "hard", connector: Mapping[str, Any] = FILES) -> UseCase:
    """The default use case, its transactions coming as changes: from files in the Debezium envelope."""
    declared = load_use_case(FOLDER).model_dump(mode="json")
    for source in declared["sources"]:
        if source["name"] == "transactions":
            source["connector"] = dict(connector)
            source["changes"] = {"deletes": deletes}
            source.pop("late")  # a rule of days, which a feed has none of
            source["quality"] = ANY_VOLUME
            for column in source["columns"]:
                column.pop("references")
    return UseCase.model_validate(declared)


class Shop:
    """A source of changes, and the lake they end in."""

    def __init__(
        self,
        folder: Path,
        instance: dg.DagsterInstance,
        deletes: str = "hard",
        connector: Mapping[str, Any] = FILES,
    ) -> None:
        self.folder, self.instance = folder, instance
        self.use_case = with_feed(deletes, connector)
        self.lake = Lake(root=str(folder / "lake"))
        self.resources = {"lake": self.lake, "capacity": NO_BOUND, "sources": SourceReader(access=source_access)}
        self.deliveries = 0
        self._build()
        (folder / "in").mkdir()

    def _build(self) -> None:
        self.source = self.use_case.source("transactions")
        self.assets = {key: asset for asset in build_assets(self.use_case, self.folder) for key in asset.keys}

    @property
    def catalog(self) -> Catalog:
        """The tables of the use case."""
        return Catalog(self.use_case, self.lake)

    def raw(self) -> LakeTable:
        """The raw table of the source."""
        return self.catalog.raw("transactions").stored

    def keep_arriving(self) -> None:
        """The history has no end."""
        history = self.use_case.history.model_copy(update={"last_day": None})
        self.use_case = self.use_case.model_copy(update={"history": history})
        self._build()

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
        rows = self.catalog.clean("transactions").read()
        assert rows["transaction_id"].is_unique().all()
        return {row["transaction_id"]: (row["event_day"], row["amount"]) for row in rows.iter_rows(named=True)}

    def told_days(self) -> list[str]:
        """Partitions of the raw table that were told to be new, in the order of telling."""
        key = asset_key(self.use_case, "raw", "transactions")
        records = self.instance.fetch_materializations(key, limit=1000).records
        return [record.partition_key for record in reversed(records)]
