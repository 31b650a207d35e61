"""Parity: the values that predictions were made from, against the values that the offline path computes.

Belongs here: comparing two frames of feature values and naming what differs. Does not belong here: computing either
side, and deciding what a mismatch blocks (`assets/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.features.errors import PointInTimeError
from platform_assets.features.windows import example_keys, require_columns
from platform_assets.spec.features import FeatureView
from platform_assets.spec.predictions import FEATURE_PREFIX
from platform_assets.spec.use_case import UseCase

TOLERANCE_RATIO = 1e-9
EXAMPLES_PER_FEATURE = 5


@dataclass(frozen=True)
class Mismatch:
    """One value that differs.

    Attributes:
        feature: the feature's name.
        entity: the entity's key column and value; empty for a feature of the event itself.
        key: the event's primary key.
        time: the event's time.
        logged: the value that the prediction was made from; None when it was missing.
        offline: the value that the offline path computes; None when it is missing.
    """

    feature: str
    entity: dict[str, Any]
    key: dict[str, Any]
    time: datetime
    logged: float | None
    offline: float | None

    def __str__(self) -> str:
        entity = "".join(f" of {name}={value!r}" for name, value in self.entity.items())
        return f"{self.feature}{entity} at {self.time.isoformat()}: logged {self.logged!r}, offline {self.offline!r}"


@dataclass(frozen=True)
class FeatureParity:
    """How one feature compares.

    Attributes:
        feature: the feature's name.
        rows: how many rows were compared.
        exact: rows equal to the bit, both missing included.
        close: rows that are not equal, but within 1e-9 of each other, relative to the larger.
        different: all other rows.
        examples: the first rows that are not equal, the different ones before the close ones.
    """

    feature: str
    rows: int
    exact: int
    close: int
    different: int
    examples: tuple[Mismatch, ...]


@dataclass(frozen=True)
class ParityResult:
    """How logged and offline values compare.

    Attributes:
        rows: logged rows that have an offline row.
        not_offline: logged rows without one, which were not compared.
        not_offline_keys: the keys of a few of them.
        features: one entry for each feature, in contract order.
    """

    rows: int
    not_offline: int
    not_offline_keys: tuple[dict[str, Any], ...]
    features: tuple[FeatureParity, ...]

    @property
    def equal(self) -> bool:
        """Whether every row was compared, and every value was within the tolerance."""
        return self.not_offline == 0 and all(feature.different == 0 for feature in self.features)

    @property
    def exact(self) -> bool:
        """Whether every row was compared, and every value was equal to the bit."""
        return self.not_offline == 0 and all(feature.exact == feature.rows for feature in self.features)

    @property
    def examples(self) -> tuple[Mismatch, ...]:
        """Examples over all features."""
        return tuple(example for feature in self.features for example in feature.examples)


def compare(logged: pl.DataFrame, offline: pl.DataFrame, use_case: UseCase) -> ParityResult:
    """Compare every feature value of a prediction log with the offline value of the same event.

    Args:
        logged: rows of the prediction log; features are named with `FEATURE_PREFIX`. An event that was scored twice is
            compared twice.
        offline: one row for each event with its key and features under their own names, for example of `join_views` or
            `training_set`.
        use_case: the declaration.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: an event appears twice offline.
    """
    keys = list(use_case.event_source.primary_key)
    names = use_case.feature_names
    entity_keys = [key for view in use_case.features if view.entity for key in use_case.entity(view.entity).key_columns]
    needed = list(dict.fromkeys([*keys, use_case.event_time, *entity_keys]))
    require_columns(logged.columns, [*needed, *(FEATURE_PREFIX + name for name in names)], "rows of the prediction log")
    require_columns(offline.columns, [*keys, *names], "offline rows")
    known = offline.select(*keys, *(pl.col(name).cast(pl.Float64).alias(_offline(name)) for name in names))
    doubled = known.filter(pl.struct(keys).is_duplicated())
    if not doubled.is_empty():
        raise PointInTimeError(
            f"offline rows: {len(doubled)} of {len(known)} repeat a key, for example {example_keys(doubled, keys)}"
        )
    wanted = logged.select(*needed, *(pl.col(FEATURE_PREFIX + name).cast(pl.Float64) for name in names))
    both = wanted.join(known, on=keys, how="inner", maintain_order="left")
    lost = wanted.join(known, on=keys, how="anti")
    return ParityResult(
        rows=len(both),
        not_offline=len(lost),
        not_offline_keys=tuple(example_keys(lost, keys, EXAMPLES_PER_FEATURE)),
        features=tuple(
            _compare_feature(both, name, view, use_case) for view in use_case.features for name in view.feature_names
        ),
    )


def _offline(name: str) -> str:
    return f"offline__{name}"


def _compare_feature(both: pl.DataFrame, name: str, view: FeatureView, use_case: UseCase) -> FeatureParity:
    """One feature over all rows. NaN counts as missing, and two missing values are equal."""
    logged, offline = (pl.col(column).fill_nan(None) for column in (FEATURE_PREFIX + name, _offline(name)))
    same = logged.eq_missing(offline)
    # Equal values may differ in the sign of zero only, which no aggregate of ours distinguishes.
    scale = pl.max_horizontal(logged.abs(), offline.abs())
    near = ((logged - offline).abs() <= TOLERANCE_RATIO * scale).fill_null(False) & scale.is_finite()
    verdicts = both.with_columns(same.alias("__same"), (~same & near).alias("__near"))
    exact, close = int(verdicts["__same"].sum()), int(verdicts["__near"].sum())
    unequal = verdicts.filter(~pl.col("__same")).sort("__near", maintain_order=True).head(EXAMPLES_PER_FEATURE)
    keys = use_case.event_source.primary_key
    entity = () if view.entity is None else use_case.entity(view.entity).key_columns
    return FeatureParity(
        feature=name,
        rows=len(both),
        exact=exact,
        close=close,
        different=len(both) - exact - close,
        examples=tuple(
            Mismatch(
                feature=name,
                entity=_pick(row, entity),
                key=_pick(row, keys),
                time=row[use_case.event_time],
                logged=_present(row[FEATURE_PREFIX + name]),
                offline=_present(row[_offline(name)]),
            )
            for row in unequal.to_dicts()
        ),
    )


def _pick(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _present(value: float | None) -> float | None:
    return None if value is None or value != value else value
