"""A shop whose orders are sometimes not paid, as its lake holds them while an A/B test runs.

Belongs here: events, labels that arrive days later, and the service's log. Does not belong here: what is expected of the analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.experiments.assignment import assign, split_of
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.testing.declare import declare

FIRST_DAY, DAYS, TEST_DAYS, DELAY_DAYS = date(2024, 3, 4), 28, 12, 3
TEST_BEGINS = FIRST_DAY + timedelta(days=DAYS - TEST_DAYS)
AS_OF = FIRST_DAY + timedelta(days=DAYS)
RUNNING = "newer_model_v2"
EXPERIMENT: dict[str, Any] = {
    "name": "newer_model",
    "hypothesis": "The newer model lets fewer bad orders through.",
    "measure": "CASE WHEN unpaid = 1 AND decision = 'ship' THEN amount ELSE 0 END",
    "direction": "decrease",
    "minimum_effect_ratio": 0.2,
    "assign_by": "customer",
    "traffic_ratio": 0.9,
    "guardrails": [
        {"name": "refused", "measure": "CASE WHEN decision = 'refuse' THEN 1 ELSE 0 END", "harm": "increase", "margin": 0.2}
    ],
}  # fmt: skip


def shop(**changes: Any) -> UseCase:
    """The use case; `changes` to its experiment."""
    return declare(
        name="shop",
        table="orders",
        events={"order": "int64", "ordered_at": "datetime", "customer": "int64", "amount": "float64"},
        label={"unpaid": [0, 1]},
        label_delay_days=DELAY_DAYS,
        features=["amount"],
        history={"first_day": FIRST_DAY},
        serving={
            "request": ["order", "ordered_at", "customer", "amount"],
            "decision": {"threshold": 0.5, "above": "refuse", "below": "ship"},
            "rollout": [{"strategy": "ab"}],
        },
        experiment=EXPERIMENT | changes,
    )


@dataclass(frozen=True)
class Shop:
    """What happened.

    Attributes:
        better: share of the bad orders that the new version finds beyond the old one's.
        lost: share of the new version's customers whose requests never reach the log.
    """

    better: float = 0.0
    lost: float = 0.0
    customers: int = 4000
    orders_a_day: int = 1500
    seed: int = 0

    def catalog(self, folder: Path, use_case: UseCase | None = None) -> Catalog:
        """Its lake: all days published, labels of all days that are due by `AS_OF`, the log of the days of both versions."""
        catalog = Catalog(use_case or shop(), Lake(root=str(folder / "lake")))
        events, bad, answers = self._happened()
        last = AS_OF - timedelta(days=1)
        catalog.events.stored.write_partitions(_conformed(events, catalog.events.stored.schema), FIRST_DAY, last)
        labels = events.with_columns(pl.Series("unpaid", bad)).filter(
            pl.col("event_day") <= AS_OF - timedelta(days=DELAY_DAYS)
        )
        table = catalog.labels.stored
        table.write_partitions(_conformed(labels, table.schema), FIRST_DAY, last - timedelta(days=DELAY_DAYS - 1))
        log = catalog.predictions
        log.write_partitions(_conformed(answers, log.schema), FIRST_DAY, last)
        return catalog

    def _happened(self) -> tuple[pl.DataFrame, np.ndarray, pl.DataFrame]:
        rng = np.random.default_rng(self.seed)
        rows = DAYS * self.orders_a_day
        who = rng.integers(0, self.customers, rows)
        day = np.repeat(np.arange(DAYS), self.orders_a_day)
        midnight = datetime.combine(FIRST_DAY, time(), UTC)
        seconds = np.tile(np.arange(self.orders_a_day) * 50, DAYS)
        at = [midnight + timedelta(days=int(d), seconds=int(s)) for d, s in zip(day, seconds, strict=True)]
        events = pl.DataFrame(
            {
                "order": np.arange(rows),
                "ordered_at": at,
                "customer": who,
                "amount": rng.gamma(2.0, 30.0, rows).round(2),
                "event_day": [FIRST_DAY + timedelta(days=int(number)) for number in day],
            }
        )
        bad = (rng.random(rows) < rng.beta(0.5, 4.0, self.customers)[who]).astype(np.int8)
        split = split_of("shop", RUNNING, "customer", EXPERIMENT["traffic_ratio"], 0.5)
        variants = np.array([str(assign(split, str(number)) or "") for number in range(self.customers)])[who]
        running = day >= DAYS - TEST_DAYS
        treated = running & (variants == "treatment")
        gone = (treated & (rng.random(self.customers) < self.lost)[who]) if self.lost else np.zeros(rows, bool)
        found = rng.random(rows) < np.where(treated, 0.5 + self.better, 0.5)
        log = events.with_columns(
            pl.Series("scored_at", at),
            pl.Series("request_id", [f"r{number}" for number in range(rows)]),
            pl.Series("decision", np.where((bad == 1) & found, "refuse", "ship")),
            pl.Series("release", np.where(treated, "sha256:new", "sha256:old")),
            pl.Series("experiment", np.where(running, RUNNING, "")).replace("", None),
            pl.Series("variant", np.where(running, variants, "")).replace("", None),
            pl.Series("latency_ms", rng.lognormal(1.0, 0.3, rows)),
            score=pl.lit(0.2),
            model_version=pl.lit("1"),
            feature_contract=pl.lit(feature_contract_hash(shop())),
            unknown_entities=pl.lit(""),
        )
        return events, bad, log.filter(~pl.Series(gone))


def _conformed(rows: pl.DataFrame, schema: Any) -> pl.DataFrame:
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
