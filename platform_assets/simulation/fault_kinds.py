"""The kinds of fault, and what the kinds have in common.

Belongs here: names and groups of kinds, their default factors, and the order in which they are planted. Does not
belong here: what each kind does (`faults`, `deliveries`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

FaultKind = Literal[
    "nulls",
    "duplicates",
    "out_of_range",
    "missing_column",
    "changed_type",
    "late_rows",
    "volume_drop",
    "covariate_drift",
    "label_drift",
    "concept_drift",
    "unit_change",
    "swapped_columns",
    "constant_column",
    "all_null",
    "unknown_references",
    "empty_strings",
    "sign_flip",
    "encoding_damage",
    "truncated_day",
    "clock_ahead",
    "shifted_time_zone",
    "repeated_day",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

WORLD_KINDS: frozenset[FaultKind] = frozenset({"covariate_drift", "label_drift", "concept_drift"})
"""Kinds that change the simulated world itself; all others spoil what is delivered of it."""

HOUR_KINDS: frozenset[FaultKind] = frozenset({"truncated_day", "shifted_time_zone"})
TIME_KINDS: frozenset[FaultKind] = HOUR_KINDS | {"late_rows", "clock_ahead", "repeated_day"}
ROW_KINDS: frozenset[FaultKind] = TIME_KINDS | {"duplicates", "volume_drop"}
WHOLE_KINDS: frozenset[FaultKind] = frozenset({"missing_column", "changed_type", "all_null", "repeated_day"})
DEFAULT_FACTORS: Mapping[FaultKind, float] = MappingProxyType(
    {
        "out_of_range": 10.0,
        "covariate_drift": 1.5,
        "label_drift": 2.0,
        "unit_change": 100.0,
        "truncated_day": 8.0,
        "shifted_time_zone": 2.0,
    }
)
# When several faults meet one table, values are spoilt before rows, rows before times, and the columns themselves last:
# each kind then still finds what it needs.
PLANTING_ORDER: tuple[frozenset[FaultKind], ...] = (
    WORLD_KINDS,
    frozenset({"repeated_day"}),
    frozenset({"out_of_range", "unit_change", "sign_flip", "swapped_columns", "constant_column"}),
    frozenset({"unknown_references", "empty_strings", "encoding_damage"}),
    frozenset({"nulls", "all_null"}),
    frozenset({"volume_drop", "truncated_day"}),
    frozenset({"duplicates"}),
    frozenset({"late_rows", "clock_ahead", "shifted_time_zone"}),
    frozenset({"changed_type"}),
    frozenset({"missing_column"}),
)
