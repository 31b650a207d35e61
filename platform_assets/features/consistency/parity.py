"""Parity: the values that predictions were made from, against the values that the offline path computes.

Belongs here: comparing two frames of feature values, naming what differs, and the verdict on a day's predictions. Does not belong here:
computing either side (`offline/feature_table.py`, `consistency/replay.py`), and deciding what a mismatch blocks
(`orchestration/assets/parity.py`).

What counts as equal: windows are equal to the bit, because the same kernel computes them on both sides from the same events. Row
expressions and functions may round differently on one row than on many, and are equal within 1e-9. The time and the entities of
an event have to be the same on both sides, too: a service that reads times in another zone computes everything right, from a
wrong event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import PointInTimeError
from platform_assets.features.event_frames import example_keys, require_columns

TOLERANCE_RATIO = 1e-9
EXAMPLES_PER_FEATURE = 5
EXAMPLES = 50

Status = Literal["equal", "equal as known then", "unequal", "nothing to compare"]


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
    logged: Any
    offline: Any

    def __str__(self) -> str:
        entity = "".join(f" of {name}={value!r}" for name, value in self.entity.items())
        return f"{self.feature}{entity} at {self.time.isoformat()}: logged {_shown(self.logged)}, offline {_shown(self.offline)}"


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


@dataclass(frozen=True)
class ParityVerdict:
    """The verdict on logged predictions.

    Attributes:
        status: in a word.
        predictions: logged rows of the present feature contract, each compared in every feature.
        as_known: rows that differ from what the offline path gives today, and equal what it gave when they were scored.
        unequal: rows with a value that equals neither.
        not_comparable: rows made under another feature contract, or by the declared fallback while the store did not answer.
        by_feature: unequal values of each feature that has any, event columns included.
        mismatches: the first unequal values.
        explanation: the verdict in a sentence.
    """

    status: Status
    predictions: int
    as_known: int
    unequal: int
    not_comparable: int
    by_feature: dict[str, int]
    mismatches: tuple[Mismatch, ...]
    explanation: str

    @property
    def passed(self) -> bool:
        """Whether no value is unequal."""
        return self.unequal == 0


def parity_verdict(
    log: pl.DataFrame,
    offline: pl.DataFrame,
    use_case: UseCase,
    replay: Callable[[pl.DataFrame], pl.DataFrame],
) -> ParityVerdict:
    """Compare every value of every logged prediction with the offline path: as it is today, else as it was known then.

    Args:
        log: rows of the prediction log.
        offline: one row for each event that feature tables have, with key, event time, entities and features.
        use_case: the declaration.
        replay: computes features of some logged rows from what was known when they were scored, in their order
            (`replay.replayed_features`); called only with rows that differ from `offline` or are missing there.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: an event appears twice offline.
    """
    comparable = (pl.col("feature_contract") == feature_contract_hash(use_case)) & pl.col("fallback").is_null()
    mine = log.filter(comparable)
    other = log.height - mine.height
    if mine.is_empty():
        explanation = "made under the present feature contract and from the online store"
        explanation = f"none of {other} predictions was {explanation}" if other else "no predictions yet"
        return ParityVerdict("nothing to compare", 0, 0, 0, other, {}, (), explanation)
    names, columns = list(use_case.feature_names), _event_columns(use_case, offline)
    today = _beside(mine, offline, list(dict.fromkeys([*names, *columns])), use_case.event_source.primary_key)
    wrong = today.select(_unequal_now(use_case, names, columns))
    differing = wrong.select(pl.any_horizontal(pl.all())).to_series()
    rows, wrong = today.filter(differing), wrong.filter(differing)
    if not rows.is_empty():
        rows, wrong = _as_known_then(rows, wrong, mine.filter(differing), use_case, replay)
    unequal = wrong.select(pl.any_horizontal(pl.all())).to_series()
    rows, bad = rows.filter(unequal), wrong.filter(unequal)
    counts = {name: int(bad[name].sum()) for name in bad.columns if bad[name].any()}
    mismatches = [
        m for name in counts for m in _mismatches(rows.filter(bad[name]).head(EXAMPLES_PER_FEATURE), name, use_case)
    ]
    as_known = int(differing.sum()) - rows.height
    return _verdict(mine.height, as_known, rows.height, other, counts, tuple(mismatches[:EXAMPLES]))


def _verdict(
    predictions: int, as_known: int, unequal: int, other: int, counts: dict[str, int], mismatches: tuple[Mismatch, ...]
) -> ParityVerdict:
    status: Status = "unequal" if unequal else "equal as known then" if as_known else "equal"
    if unequal:
        explanation = (
            f"{unequal:,} of {predictions:,} predictions were made from values that the offline path does not give: "
            f"{', '.join(f'{name} ({count:,})' for name, count in counts.items())}; for example {mismatches[0]}"
        )
    else:
        explanation = f"every feature value of {predictions:,} predictions is what the offline path gives"
        if as_known:
            explanation += (
                f", {as_known:,} of them from what was known when they were scored (rows arrived or changed since)"
            )
    return ParityVerdict(status, predictions, as_known, unequal, other, counts, mismatches, explanation)


def _event_columns(use_case: UseCase, offline: pl.DataFrame) -> list[str]:
    """Columns of the event that both sides have: its time and its entities' keys."""
    entities = [key for entity in use_case.entities for key in entity.key_columns]
    keys = use_case.event_source.primary_key
    both = [name for name in dict.fromkeys([use_case.event_time, *entities]) if name in offline.columns]
    return [name for name in both if name in use_case.serving.request and name not in keys]


def _beside(logged: pl.DataFrame, offline: pl.DataFrame, names: Sequence[str], on: Sequence[str]) -> pl.DataFrame:
    """Logged rows joined with their offline values; `__there` is whether there are any."""
    require_columns(offline.columns, [*on, *names], "offline rows")
    doubled = offline.filter(pl.struct(on).is_duplicated())
    if not doubled.is_empty():
        raise PointInTimeError(
            f"offline rows: {len(doubled)} of {len(offline)} repeat a key, for example {example_keys(doubled, on)}"
        )
    known = offline.select(*on, *(pl.col(name).alias(_offline(name)) for name in names), pl.lit(True).alias("__there"))
    return logged.join(known, on=on, how="left", maintain_order="left").with_columns(pl.col("__there").fill_null(False))


def _unequal_now(use_case: UseCase, names: Sequence[str], columns: Sequence[str]) -> list[pl.Expr]:
    """For each event column and feature whether it is wrong; of an event that is not there offline, all features are.

    Event columns come first: what is computed from a wrong event is a consequence.
    """
    is_offline = pl.col("__there")
    exact = _exact_features(use_case)
    wrong_features = [(~is_offline | _is_wrong(name, _offline(name), name in exact)).alias(name) for name in names]
    # An event column named like a feature is compared as the feature, which is that column.
    own = [name for name in columns if name not in names]
    return [(is_offline & pl.col(name).ne_missing(pl.col(_offline(name)))).alias(name) for name in own] + wrong_features


def _exact_features(use_case: UseCase) -> frozenset[str]:
    """Features that are equal to the bit: windows."""
    return frozenset(name for view in use_case.features for window in view.windows for name in window.feature_names)


def _is_wrong(name: str, offline: str, exact: bool) -> pl.Expr:
    """Whether a logged value is not the offline one; NaN is missing."""
    logged, computed = pl.col(FEATURE_PREFIX + name).fill_nan(None), pl.col(offline).cast(pl.Float64).fill_nan(None)
    same = logged.eq_missing(computed)
    if exact:
        return ~same
    scale = pl.max_horizontal(logged.abs(), computed.abs())
    near = ((logged - computed).abs() <= TOLERANCE_RATIO * scale).fill_null(False) & scale.is_finite()
    return ~(same | near)


def _as_known_then(
    rows: pl.DataFrame,
    wrong: pl.DataFrame,
    logged: pl.DataFrame,
    use_case: UseCase,
    replay: Callable[[pl.DataFrame], pl.DataFrame],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with replayed values instead of today's, and the values that match neither."""
    replayed = replay(logged)
    names = list(use_case.feature_names)
    exact = _exact_features(use_case)
    then = rows.with_columns(replayed[name].alias(f"__then__{name}") for name in names)
    still = then.select(_is_wrong(name, f"__then__{name}", name in exact).alias(name) for name in names)
    both = wrong.with_columns((wrong[name] & still[name]).alias(name) for name in names)
    shown = then.with_columns(pl.col(f"__then__{name}").alias(_offline(name)) for name in names)
    return shown, both


def _mismatches(rows: pl.DataFrame, name: str, use_case: UseCase) -> list[Mismatch]:
    """The unequal values of a feature, or of an event column, in some rows."""
    view = next((view for view in use_case.features if name in view.feature_names), None)
    keys = use_case.event_source.primary_key
    entity = () if view is None or view.entity is None else use_case.entity(view.entity).key_columns
    logged = name if view is None else FEATURE_PREFIX + name
    return [
        Mismatch(
            feature=name,
            entity=_pick(row, entity or keys),
            key=_pick(row, keys),
            time=row[use_case.event_time],
            logged=_present(row[logged]),
            offline=_present(row[_offline(name)]),
        )
        for row in rows.to_dicts()
    ]


def _pick(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _shown(value: Any) -> str:
    """A value to the last bit; a time in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _present(value: Any) -> Any:
    return None if value is None or value != value else value
