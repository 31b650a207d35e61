"""A small lake of payments with text and gaps, for planting faults on the day after its good ones.

Belongs here: the world, its use case, and running its assets. Does not belong here: which faults are tried, what they cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

import platform_assets
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import EVENT_DAY, Source, UseCase, load_use_case
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, PROFILE, QUARANTINE, RAW
from platform_assets.orchestration.assets.clean import clean_asset
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.orchestration.assets.raw import raw_asset
from platform_assets.simulation.card_payments import CardPayments, CardPaymentsSettings

FOLDER = Path(platform_assets.__file__).parent / "defs" / "card_fraud"
TABLE = "transactions"
CITIES = ("Zürich", "Köln", "Århus", "Genève", "Łódź", "Málaga", "Oslo", "Reims")
SCALE = {"customers": 500, "terminals": 1000}
GOOD_DAYS = 21
LARGEST_AMOUNT = 100_000


class Payments:
    """Card payments with the city (text) and a tip (lacking in most rows)."""

    settings_type = CardPaymentsSettings

    def __init__(self, settings: CardPaymentsSettings) -> None:
        self._payments = CardPayments(settings)

    @property
    def tables(self) -> tuple[str, ...]:
        """Those of card payments."""
        return self._payments.tables

    def read(self, table: str, first_day: date | None, last_day: date | None) -> pl.DataFrame:
        """Rows of card payments, the two columns added to transactions."""
        frame = self._payments.read(table, first_day, last_day)
        if table != TABLE:
            return frame
        city = (pl.col("terminal_id") % len(CITIES)).replace_strict(dict(enumerate(CITIES)), return_dtype=pl.String)
        tip = pl.when(pl.col("transaction_id") % 3 == 0).then((pl.col("amount") * 0.1).round(2))
        return frame.with_columns(city.alias("city"), tip.alias("tip"))


def payments_use_case(max_refused_ratio: float | None = None) -> UseCase:
    """The bundled use case, its transactions widened by the two columns."""
    use_case = load_use_case(FOLDER)
    sources = []
    for source in use_case.sources:
        content = source.model_dump(mode="json")
        content["connector"]["generator"] = "platform_assets.testing.fault_world:Payments"
        if source.name == TABLE:
            for column in content["columns"]:
                if column["name"] == "amount":  # the simulated world has a payment above 5,000 once in a million
                    column["maximum"] = LARGEST_AMOUNT
            content["columns"] += [
                {"name": "city", "type": "string", "description": "Where the terminal stands"},
                {"name": "tip", "type": "float64", "description": "Tip", "nullable": True, "minimum": 0},
            ]
        if max_refused_ratio is not None:
            content["quality"]["max_refused_ratio"] = max_refused_ratio
        sources.append(Source.model_validate(content))
    return use_case.model_copy(update={"sources": tuple(sources)})


@dataclass
class FaultWorld:
    """Assets and a lake with good days; `day` is the one after them."""

    root: Path
    instance: dg.DagsterInstance
    use_case: UseCase = field(default_factory=payments_use_case)

    def __post_init__(self) -> None:
        use_case = self.use_case
        self.view = next(view for view in use_case.features if view.entity is None)
        self.source = use_case.source(TABLE)
        self.lake = Lake(root=str(self.root))
        self.sources = SourceReader(simulation=SCALE)
        self.assets = [
            *(raw_asset(use_case=use_case, source=source, folder=FOLDER) for source in use_case.sources),
            *(clean_asset(use_case=use_case, source=source) for source in use_case.sources),
            feature_table_asset(use_case=use_case, view=self.view),
        ]

    @property
    def first_day(self) -> date:
        """First good day."""
        return self.use_case.history.first_day

    @property
    def day(self) -> date:
        """The day after the good ones."""
        return self.first_day + timedelta(days=GOOD_DAYS)

    def load_good_days(self) -> None:
        """Load the reference tables, and transactions and a feature table of the good days."""
        layers = (RAW, CLEAN, QUARANTINE, PROFILE)
        static = [(layer, source.name) for source in self.use_case.sources if not source.is_daily for layer in layers]
        assert self.run(static, None).success
        assert self.run_day(self.first_day, self.day - timedelta(days=1)).success

    def run_day(
        self, first: date, last: date | None = None, fault: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Load transactions and a feature table, with a fault planted in what is delivered."""
        chosen = [(layer, TABLE) for layer in (RAW, CLEAN, QUARANTINE, PROFILE)] + [(FEATURES, self.view.name)]
        return self.run(chosen, (first, last or first), fault)

    def run(
        self, chosen: list[tuple[str, str]], days: tuple[date, date] | None, fault: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets by layer and table."""
        keys = [[self.use_case.name, *one] for one in chosen]
        tags = {}
        if days is not None:
            names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
            tags = {name: day.isoformat() for name, day in zip(names, days, strict=True)}
        op = f"{self.use_case.name}__raw__{TABLE}"
        return dg.materialize(
            self.assets,
            selection=dg.AssetSelection.assets(*keys),
            resources={"lake": self.lake, "capacity": NO_BOUND, "sources": self.sources},
            instance=self.instance,
            tags=tags,
            run_config={"ops": {op: {"config": {"faults": [fault]}}}} if fault else {},
            raise_on_error=False,
        )

    def delivered(self, fault: dict[str, Any] | None = None) -> pl.DataFrame:
        """What the source delivers for the day."""
        return self.sources.read(self.source, FOLDER, self.day, self.day, [fault] if fault else [])

    def feature_days(self) -> set[date]:
        """Days that the feature table has rows of."""
        schema = self.use_case.feature_schema(self.view)
        table = self.lake.table(self.use_case.name, FEATURES, self.view.name, schema, partition_by=EVENT_DAY)
        return set(table.partitions())
