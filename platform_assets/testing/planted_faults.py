"""Every kind of planted fault with the rule meant for it, and what becomes of a day with one.

Belongs here: the table of faults, loading a day of the fault world with one, judging good days. Does not belong here: planting
(`simulation/faults.py`), the rules (`validation/`), counting (benchmarks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from platform_assets.connectors import conform
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase
from platform_assets.declaration.delivered_columns import DELIVERY_COLUMNS
from platform_assets.lake.catalog import Catalog
from platform_assets.simulation.card_payments import CardPayments, CardPaymentsSettings
from platform_assets.testing.fault_world import FOLDER, SCALE, FaultWorld, payments_use_case
from platform_assets.validation.audit import audit

SCHEMA = "schema"

MEANT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"kind": "nulls", "column": "amount", "ratio": 0.02}, "not_null"),
    ({"kind": "duplicates", "ratio": 0.02}, "unique"),
    ({"kind": "out_of_range", "column": "amount", "ratio": 0.02}, "minimum"),
    ({"kind": "missing_column", "column": "amount"}, SCHEMA),
    ({"kind": "changed_type", "column": "amount"}, SCHEMA),
    ({"kind": "late_rows", "ratio": 0.02}, "late"),
    ({"kind": "volume_drop", "ratio": 0.7}, "volume"),
    ({"kind": "unit_change", "column": "amount", "factor": 10}, "shift"),
    ({"kind": "unit_change", "column": "tip"}, "shift"),
    ({"kind": "swapped_columns", "column": "customer_id", "other": "terminal_id"}, "reference"),
    ({"kind": "constant_column", "column": "amount"}, "constant"),
    ({"kind": "constant_column", "column": "city"}, "constant"),
    ({"kind": "all_null", "column": "tip"}, "null_ratio"),
    ({"kind": "unknown_references", "column": "terminal_id", "ratio": 0.02}, "reference"),
    ({"kind": "empty_strings", "column": "city", "ratio": 0.02}, "blank"),
    ({"kind": "encoding_damage", "column": "city", "ratio": 0.02}, "encoding"),
    ({"kind": "sign_flip", "column": "amount", "ratio": 0.02}, "minimum"),
    ({"kind": "truncated_day", "factor": 8}, "freshness"),
    ({"kind": "clock_ahead", "ratio": 0.02}, "early"),
    ({"kind": "shifted_time_zone", "factor": 2}, "early"),
    ({"kind": "repeated_day"}, "repeated_key"),
)
"""Each fault that a gate must catch, with the rule meant for it: a row rule, a table rule, or the check of the schema."""


@dataclass(frozen=True)
class LoadOutcome:
    """What became of one planted day.

    Attributes:
        caught_by: rules that were broken.
        published: whether the day reached a feature table.
        good_rows_refused: rows in quarantine that the source had delivered just so without the fault.
    """

    caught_by: frozenset[str]
    published: bool
    good_rows_refused: int


def plant_and_load(world: FaultWorld, fault: dict[str, Any]) -> LoadOutcome:
    """Load the world's day with a fault; the lake keeps nothing of it, unless a gate let it pass."""
    result = world.run_day(world.day, fault=fault)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    published = world.day in world.feature_days()
    if not checks[SCHEMA].passed:
        return LoadOutcome(frozenset({SCHEMA}), published, 0)
    verdict = checks["quality"]
    table_rules: Sequence[str] = verdict.metadata["broken_table_rules"].value  # type: ignore[assignment]
    row_rules: dict[str, int] = verdict.metadata["rows_by_rule"].value  # type: ignore[assignment]
    return LoadOutcome(frozenset({*table_rules, *row_rules}), published, _good_rows_refused(world, fault))


def _good_rows_refused(world: FaultWorld, fault: dict[str, Any]) -> int:
    """Rows in quarantine beyond those that the fault made: whole rows are compared, copies counted."""
    columns = list(world.source.column_names)

    def lines(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.drop(DELIVERY_COLUMNS, strict=False).select(columns).group_by(columns).len("count")

    good, spoilt = lines(world.delivered()), lines(world.delivered(fault))
    joined = spoilt.join(good, on=columns, how="left", nulls_equal=True, suffix="_good")
    surplus = int((joined["count"] - joined["count_good"].fill_null(0)).clip(0).sum())
    refused = Catalog(world.use_case, world.lake).quarantine(world.source.name).read(world.day, world.day).height
    return max(0, refused - surplus)


def good_days(worlds: Iterable[int], days: int) -> tuple[int, int]:
    """Days of simulated worlds without any fault: how many were judged, and how many refused."""
    use_case = payments_use_case()
    judged = refused = 0
    for seed in worlds:
        results = _judge_world(use_case, seed, days)
        judged, refused = judged + days, refused + results
    return judged, refused


def _judge_world(use_case: UseCase, seed: int, days: int) -> int:
    settings = {**SCALE, "seed": seed}
    source, first = use_case.event_source, use_case.history.first_day
    request = [first + timedelta(days=i) for i in range(days)]
    frame = conform(SourceReader(simulation=settings).read(source, FOLDER, request[0], request[-1], []), source).frame
    world = CardPayments(CardPaymentsSettings(**settings))
    references = {
        "customers.customer_id": world.read("customers", None, None)["customer_id"],
        "terminals.terminal_id": world.read("terminals", None, None)["terminal_id"],
    }
    return len(audit(frame, source, request, references, {}).refused_days)
