"""Every kind of fault that a data gate can see is caught by the rule meant for it, row by row; good rows pass."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors import Conformed, SchemaMismatch
from platform_assets.declaration import Source
from platform_assets.simulation.faults import FAULT_KINDS
from platform_assets.validation.audit import Audit, audit

DAYS = [date(2018, 4, day) for day in (10, 11, 12)]
SPOILT = DAYS[1]
SEEDS = range(4)

CAUGHT = [
    ("transactions", {"kind": "nulls", "column": "amount", "ratio": 0.1}, "not_null"),
    ("transactions", {"kind": "nulls", "column": "customer_id", "ratio": 0.1}, "not_null"),
    ("transactions", {"kind": "nulls", "column": "transaction_time", "ratio": 0.1}, "not_null"),
    ("transactions", {"kind": "out_of_range", "column": "amount", "ratio": 0.1}, "minimum"),
    ("transactions", {"kind": "out_of_range", "column": "terminal_id", "ratio": 0.1}, "reference"),
    ("transactions", {"kind": "covariate_drift", "column": "amount", "ratio": 0.1, "factor": 1e6}, "maximum"),
    ("transactions", {"kind": "duplicates", "ratio": 0.1}, "unique"),
    ("transactions", {"kind": "late_rows", "ratio": 0.1}, "late"),
    ("labels", {"kind": "out_of_range", "column": "is_fraud", "ratio": 0.1}, "allowed"),
    ("labels", {"kind": "nulls", "column": "is_fraud", "ratio": 0.1}, "not_null"),
    ("labels", {"kind": "duplicates", "ratio": 0.1}, "unique"),
    ("labels", {"kind": "late_rows", "ratio": 0.1}, "late"),
]
FURTHER = [
    ("transactions", {"kind": "clock_ahead", "ratio": 0.1}, "early"),
    ("transactions", {"kind": "sign_flip", "column": "amount", "ratio": 0.1}, "minimum"),
    ("transactions", {"kind": "unknown_references", "column": "customer_id", "ratio": 0.1}, "reference"),
]
CAUGHT += FURTHER
BY_HISTORY = {
    "unit_change",
    "swapped_columns",
    "constant_column",
    "all_null",
    "empty_strings",
    "encoding_damage",
    "truncated_day",
    "shifted_time_zone",
    "repeated_day",
}
"""Kinds that need text or earlier days: see the gates' tests."""
UNSEEN = [
    ("transactions", {"kind": "covariate_drift", "column": "amount", "factor": 1.5}),
    ("labels", {"kind": "label_drift", "column": "is_fraud", "ratio": 0.1}),
    ("labels", {"kind": "concept_drift", "column": "is_fraud"}),
]

Load = Callable[[Source, Sequence[date]], Conformed]
Simulated = Callable[..., Source]


def on_one_day(fault: dict[str, Any], seed: int) -> dict[str, Any]:
    return {**fault, "seed": seed, "first_day": str(SPOILT), "last_day": str(SPOILT)}


def names(cases: Sequence[tuple[Any, ...]]) -> list[str]:
    return ["-".join([case[0], case[1]["kind"], case[1].get("column", "row"), *case[2:]]) for case in cases]


@pytest.fixture(scope="module")
def clean(simulated: Simulated, load: Load) -> dict[str, pl.DataFrame]:
    """The days without any fault."""
    return {table: load(simulated(table), DAYS).frame for table in ("transactions", "labels")}


@pytest.fixture(scope="module")
def judge(simulated: Simulated, load: Load, references: dict[str, pl.Series]) -> Callable[..., Audit]:
    def read_and_audit(
        table: str, *faults: dict[str, Any], days: Sequence[date] = DAYS, history: dict[date, int] | None = None
    ) -> Audit:
        source = simulated(table, *faults)
        return audit(load(source, days).frame, source, days, references, history or {})

    return read_and_audit


def of(frame: pl.DataFrame, *days: date) -> pl.DataFrame:
    return frame.filter(pl.col("delivered_day").is_in(list(days)))


def test_the_cases_cover_every_kind() -> None:
    stopping = {"missing_column", "changed_type", "volume_drop"}
    assert {case[1]["kind"] for case in [*CAUGHT, *UNSEEN]} | stopping | BY_HISTORY == set(FAULT_KINDS)


@pytest.mark.parametrize("table", ["transactions", "labels"])
def test_clean_days_pass_without_a_refused_row(
    judge: Callable[..., Audit], clean: dict[str, pl.DataFrame], simulated: Simulated, table: str
) -> None:
    result = judge(table)
    assert result.passed
    assert all(rule.passed for rule in result.rules)
    assert result.quarantine.is_empty()
    assert result.accepted.schema == simulated(table).polars_schema()
    declared = simulated(table).column_names
    assert result.accepted.select(declared).equals(clean[table].select(declared))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("table", "fault", "rule"), CAUGHT, ids=names(CAUGHT))
def test_spoilt_rows_are_refused_by_their_rule_and_no_others(
    judge: Callable[..., Audit],
    clean: dict[str, pl.DataFrame],
    table: str,
    fault: dict[str, Any],
    rule: str,
    seed: int,
) -> None:
    result = judge(table, on_one_day(fault, seed))
    spoilt = max(1, round(0.1 * of(clean[table], SPOILT).height))
    assert result.quarantine.height == spoilt
    assert result.quarantine["rule"].unique().to_list() == [rule]
    assert result.rows_by_rule[rule] == spoilt
    assert result.quarantine["event_day"].unique().to_list() == [SPOILT]
    assert result.refused_days == [SPOILT]
    also = {"unique": ["duplicate_ratio"], "reference": ["unknown_ratio"]}.get(rule, [])
    assert [failed.rule for failed in result.failed_rules] == ["refused_ratio", *also]
    assert {failed.day for failed in result.failed_rules} == {SPOILT}
    published = of(clean[table], DAYS[0], DAYS[2]).select(result.accepted.columns[:-1])
    assert result.accepted.select(published.columns).equals(published), "good days are published whole"
    delivered, refused = result.delivered_rows[SPOILT], result.refused_rows[SPOILT]
    copies = spoilt if fault["kind"] == "duplicates" else 0
    assert delivered == of(clean[table], SPOILT).height + copies
    assert refused == spoilt


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["missing_column", "changed_type"])
@pytest.mark.parametrize("column", ["amount", "transaction_id", "transaction_time"])
def test_changed_columns_stop_the_load(
    simulated: Simulated, load: Load, clean: dict[str, pl.DataFrame], kind: str, column: str, seed: int
) -> None:
    source = simulated("transactions", on_one_day({"kind": kind, "column": column}, seed))
    with pytest.raises(SchemaMismatch) as caught:
        load(source, DAYS)
    [problem] = caught.value.problems
    assert problem.column == column
    assert problem.rows == clean["transactions"].height
    assert load(source, [DAYS[0]]).frame.equals(of(clean["transactions"], DAYS[0])), "other days load as before"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("ratio", "rules"), [(0.7, {"volume"}), (1.0, {"volume", "empty"})])
def test_a_drop_in_volume_refuses_the_day(
    judge: Callable[..., Audit], clean: dict[str, pl.DataFrame], ratio: float, rules: set[str], seed: int
) -> None:
    usual = of(clean["transactions"], SPOILT).height
    history = {SPOILT - timedelta(days=back): usual for back in (7, 14, 21)}
    result = judge("transactions", on_one_day({"kind": "volume_drop", "ratio": ratio}, seed), history=history)
    assert result.refused_days == [SPOILT]
    assert {(failed.rule, failed.day) for failed in result.failed_rules} == {(rule, SPOILT) for rule in rules}
    [volume] = [failed for failed in result.failed_rules if failed.rule == "volume"]
    assert volume.rows == usual - round(ratio * usual)
    assert result.quarantine.is_empty()
    assert judge("transactions", history=history).passed


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("table", "fault"), UNSEEN, ids=names(UNSEEN))
def test_drift_is_not_for_these_gates(
    judge: Callable[..., Audit], table: str, fault: dict[str, Any], seed: int
) -> None:
    assert judge(table, on_one_day(fault, seed)).passed


@pytest.mark.parametrize("seed", SEEDS)
def test_several_faults_at_once_are_told_apart(
    judge: Callable[..., Audit], clean: dict[str, pl.DataFrame], seed: int
) -> None:
    faults = [
        on_one_day({"kind": "nulls", "column": "terminal_id", "ratio": 0.05}, seed),
        on_one_day({"kind": "out_of_range", "column": "amount", "ratio": 0.05}, seed),
        on_one_day({"kind": "late_rows", "ratio": 0.05}, seed),
    ]
    result = judge("transactions", *faults)
    spoilt = max(1, round(0.05 * of(clean["transactions"], SPOILT).height))
    assert result.rows_by_rule == {"not_null": spoilt, "minimum": spoilt, "late": spoilt}
    also = result.quarantine["also"].drop_nulls().str.split(", ").explode()
    assert result.quarantine.height + len(also) == 3 * spoilt, "each broken rule is named once"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_alone_is_judged_as_within_a_range(judge: Callable[..., Audit], seed: int) -> None:
    fault = on_one_day({"kind": "late_rows", "ratio": 0.2}, seed)
    whole = judge("transactions", fault)
    alone = judge("transactions", fault, days=[SPOILT])
    assert alone.quarantine.equals(whole.quarantine)
    assert alone.refused_days == whole.refused_days
