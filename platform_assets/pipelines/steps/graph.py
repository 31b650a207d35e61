"""The steps of a use case: what each makes, and which steps come before it.

Belongs here: the graph, from the declaration alone. Does not belong here: what a step does (`registry.py`), for which days (`days.py`), or
the assets of Dagster, whose edges are the same: a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.names import (
    BUSINESS_MEASURES,
    CHAMPION,
    DAILY_PREDICTIONS,
    DEPLOYMENT,
    DRIFT,
    ESTIMATE,
    EVALUATION,
    EXPLANATIONS,
    FEATURE_QUALITY,
    MODEL_CARD,
    ONLINE_STORE,
    PARITY,
    PREDICTION_LOG,
    QUALITY,
    SERVICE,
    TRAINING_SET,
)
from platform_assets.features.entity_state import views_with_state
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.lake.catalog import predictions_path
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, PREDICTIONS, PROFILE, QUARANTINE, RAW, SERVING, TRAINING
from platform_assets.members import UnknownName, meant_and_known
from platform_assets.pipelines.build_training_set import starts_from_events
from platform_assets.pipelines.jobs import DECIDE, FEED, MAINTAIN, TableName, job_tables
from platform_assets.pipelines.publish import referenced_columns

DAGSTERS_OWN = frozenset({FEED, DECIDE, MAINTAIN})
"""Jobs that live on what Dagster remembers of earlier runs; no other orchestrator is given them."""
TRACKED_BY_STEPS = "mlflow"
MADE_ON_THE_WAY = frozenset({QUARANTINE, PROFILE})
"""Layers that the step of the clean table writes as well."""


class StepsUnsupported(ValueError):
    """A use case needs what only Dagster's memory gives; the message says what, and the way out."""


@dataclass(frozen=True)
class Step:
    """A step of a use case.

    Attributes:
        name: `layer/table` of what it makes.
        kind: which verb it is, one of those in `registry.py`.
        job: the job that it is part of, which says for which days it is due.
        needs: steps that have to succeed before it, each with its gates.
        follows: steps that come before it where they run as well, whatever became of them.
    """

    name: str
    kind: str
    job: str
    needs: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        """The layer of what it makes."""
        return self.name.partition("/")[0]

    @property
    def table(self) -> str:
        """The table that it makes."""
        return self.name.partition("/")[2]


def steps_of(use_case: UseCase) -> list[Step]:
    """The steps of a use case, each behind all that come before it.

    Raises:
        StepsUnsupported: a source is read for what is new, which is followed by the days that Dagster remembers as touched, or runs are
            tracked in a tool that only Dagster's runs open.
    """
    fed = [source.name for source in use_case.sources if source.is_incremental]
    if fed:
        raise StepsUnsupported(
            f"{use_case.name}: {', '.join(fed)} is read for what is new, and which days that touched is remembered by Dagster alone. Run "
            "this use case with Dagster, or declare a connector that is asked for days (docs/guide/sources.md)"
        )
    if use_case.tracking != TRACKED_BY_STEPS:
        raise StepsUnsupported(
            f"{use_case.name}: steps by themselves are tracked in {TRACKED_BY_STEPS} alone, not in {use_case.tracking}. Run this use case "
            f"with Dagster, or declare `tracking: {TRACKED_BY_STEPS}`"
        )
    steps = [
        _step(use_case, job, table)
        for job, tables in job_tables(use_case).items()
        if job not in DAGSTERS_OWN
        for table in tables
        if table[0] not in MADE_ON_THE_WAY
    ]
    return _in_order(steps)


def step_named(use_case: UseCase, name: str) -> Step:
    """The step of that name.

    Raises:
        UnknownName: there is none.
        StepsUnsupported: the use case has no steps by themselves.
    """
    steps = {step.name: step for step in steps_of(use_case)}
    if name not in steps:
        raise UnknownName(f"{use_case.name} has no step {name!r}; {meant_and_known(name, steps)}")
    return steps[name]


def _step(use_case: UseCase, job: str, table: TableName) -> Step:
    layer, name = table
    needs: Sequence[TableName]
    if layer in (RAW, CLEAN):
        kind, needs = layer, _of_source(use_case, *table)
    elif layer == FEATURES and name not in (ONLINE_STORE, FEATURE_QUALITY):
        view = next(view for view in use_case.stored_views if view.table == name)
        kind, needs = FEATURES, _of_views(use_case, [view])
    else:
        kind = "model" if layer == MODEL and name == use_case.model_name else name
        kind = "delivered_scores" if layer == PREDICTIONS and not use_case.is_trained_here else kind
        needs = _NEEDS[kind](use_case)
    follows = [_champion(), (SERVING, DEPLOYMENT), (FEATURES, ONLINE_STORE)]
    return Step(
        _name(table),
        kind,
        job,
        tuple(dict.fromkeys(map(_name, needs))),
        tuple(_name(one) for one in follows if _follows(use_case, kind, one)),
    )


def _follows(use_case: UseCase, kind: str, before: TableName) -> bool:
    """Whether a step takes the newest of what another one made, rather than that of its own day."""
    takers = {
        _champion(): {DAILY_PREDICTIONS, DRIFT, ESTIMATE},
        (SERVING, DEPLOYMENT): {PREDICTION_LOG},
        (FEATURES, ONLINE_STORE): {DEPLOYMENT},
    }
    return use_case.is_trained_here and kind in takers[before]


def _champion() -> TableName:
    return MODEL, CHAMPION


def _name(table: TableName) -> str:
    return "/".join(table)


def _of_source(use_case: UseCase, layer: str, name: str) -> list[TableName]:
    if layer == RAW:
        return []
    return [(RAW, name), *((CLEAN, table) for table, _ in referenced_columns(use_case.source(name)))]


def _of_views(use_case: UseCase, views: Iterable[FeatureView], looking: Iterable[FeatureView] = ()) -> list[TableName]:
    """Published tables that views are made from, and those that they, or others, look into."""
    views = list(views)
    needs = [(CLEAN, use_case.events)] if views else []
    if any(uses_label(view, use_case) for view in views) and use_case.label.source != use_case.events:
        needs.append((CLEAN, use_case.label.source))
    return [*needs, *((CLEAN, lookup.source) for view in (*views, *looking) for lookup in view.lookups)]


def _features(use_case: UseCase) -> list[TableName]:
    return [(FEATURES, view.table) for view in use_case.features]


def _training_set(use_case: UseCase) -> list[TableName]:
    events = [(CLEAN, use_case.events)] if starts_from_events(use_case) else []
    return [*events, (CLEAN, use_case.label.source), *_features(use_case)]


def _delivered(use_case: UseCase) -> list[TableName]:
    assert use_case.predictions is not None, "scores are delivered"
    return [(CLEAN, use_case.events), (CLEAN, use_case.predictions.source), *_features(use_case)]


def _labelled(use_case: UseCase) -> list[TableName]:
    return [predictions_path(use_case), (CLEAN, use_case.label.source)]


def _always(*tables: TableName) -> Callable[[UseCase], Sequence[TableName]]:
    return lambda use_case: tables


_NEEDS: dict[str, Callable[[UseCase], Sequence[TableName]]] = {
    ONLINE_STORE: lambda use_case: _of_views(use_case, views_with_state(use_case), use_case.stored_views),
    TRAINING_SET: _training_set,
    FEATURE_QUALITY: _always((TRAINING, TRAINING_SET)),
    "model": _always((TRAINING, TRAINING_SET)),
    EVALUATION: lambda use_case: [(MODEL, use_case.model_name)],
    CHAMPION: _always((MODEL, EVALUATION)),
    MODEL_CARD: _always((MODEL, EVALUATION)),
    SERVICE: _always((MODEL, CHAMPION)),
    DEPLOYMENT: _always((SERVING, SERVICE)),
    PREDICTION_LOG: _always(),
    PARITY: lambda use_case: [predictions_path(use_case), *_features(use_case)],
    DAILY_PREDICTIONS: _features,
    "delivered_scores": _delivered,
    DRIFT: lambda use_case: [predictions_path(use_case)],
    EXPLANATIONS: lambda use_case: [predictions_path(use_case)],
    ESTIMATE: _labelled,
    QUALITY: _labelled,
    BUSINESS_MEASURES: _labelled,
}
"""What the step of each kind is made from on its own day."""


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """The steps, in the order of the jobs, none before one that it waits for."""
    waiting, ordered, done = list(steps), list[Step](), set[str]()
    names = {step.name for step in steps}
    while waiting:
        step = next(one for one in waiting if not ({*one.needs, *one.follows} & names) - done)
        waiting.remove(step)
        ordered.append(step)
        done.add(step.name)
    return ordered
