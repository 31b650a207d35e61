"""Cross-checks of a declaration: everything that cannot be checked on one field alone.

Belongs here: rules that compare parts of a `UseCase`, each reporting the path in the declaration. Does not belong
here: limits of a single field (pydantic's job), or anything that needs data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.checks.categories import category_problems, learned_category_problems
from platform_assets.declaration.checks.columns import column_problems
from platform_assets.declaration.checks.compute import compute_problems
from platform_assets.declaration.checks.connectors import connector_problems
from platform_assets.declaration.checks.degradation import degrade_problems
from platform_assets.declaration.checks.event_days import event_day_problems, spans_without_events
from platform_assets.declaration.checks.experiments import experiment_problems
from platform_assets.declaration.checks.explanations import explanation_problems
from platform_assets.declaration.checks.features import entity_problems, pass_through, view_problems
from platform_assets.declaration.checks.gates import gate_problems
from platform_assets.declaration.checks.keys import key_problems
from platform_assets.declaration.checks.known_later import known_later_problems
from platform_assets.declaration.checks.labels import label_problems
from platform_assets.declaration.checks.measures import measure_problems
from platform_assets.declaration.checks.options import option_problems
from platform_assets.declaration.checks.predictions import prediction_problems
from platform_assets.declaration.checks.requests import request_problems
from platform_assets.declaration.checks.rollout import rollout_problems
from platform_assets.declaration.checks.stream_door import stream_door_problems
from platform_assets.declaration.checks.training import training_problems
from platform_assets.declaration.checks.windows import window_problems
from platform_assets.declaration.sections.changes import HISTORY_COLUMNS
from platform_assets.declaration.sections.features import MICROSECONDS
from platform_assets.declaration.sections.migrations import migration_problems
from platform_assets.declaration.sections.serving import Serving
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.tasks.registry import declared_tasks
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Path = tuple[int | str, ...]

RESERVED_COLUMNS = frozenset(
    {"event_day", "as_of", "source_position", "source_line", "delivered_day", "source_problem", "uncast", "extra"}
    | {"change_operation", "change_sequence", "change_made_at", "change_row_day", "change_row_sequence", "is_deleted"}
)


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong: where in the declaration, the value there, and what to do."""

    where: Path
    value: Any
    message: str


def find_problems(use_case: UseCase, *, is_stored: bool = False) -> list[Flaw]:
    """Everything in the declaration that does not fit together, in the order of its sections.

    Args:
        use_case: the declaration.
        is_stored: it was released once, and serves whatever tools are chosen today.
    """
    problems = [
        *_history(use_case),
        *(Flaw(*one) for one in spans_without_events(use_case)),
        *_duplicate_names(use_case),
        *_sources(use_case),
        *_events(use_case),
        *(Flaw(*finding) for finding in label_problems(use_case)),
        *_time_zones(use_case),
    ]
    known = {source.name for source in use_case.sources}
    if use_case.events not in known or use_case.label.source not in known:
        return problems  # everything below speaks of these two tables
    return [
        *problems,
        *(Flaw(*finding) for finding in entity_problems(use_case)),
        *(Flaw(*finding) for finding in learned_category_problems(use_case)),
        *(Flaw(*finding) for finding in key_problems(use_case)),
        *_features(use_case),
        *(Flaw(*finding) for finding in known_later_problems(use_case)),
        *(Flaw(*finding) for finding in degrade_problems(use_case)),
        *(Flaw(*finding) for finding in use_case.task.problems(use_case)),
        *_classes_of_tests(use_case),
        *(Flaw(*finding) for finding in training_problems(use_case)),
        *(Flaw(*finding) for finding in prediction_problems(use_case)),
        *_gates_and_monitoring(use_case),
        *(Flaw(*finding) for finding in request_problems(use_case)),
        *_serving(use_case),
        *(Flaw(*finding) for finding in stream_door_problems(use_case)),
        *(Flaw(*finding) for finding in experiment_problems(use_case)),
        *(Flaw(*finding) for finding in measure_problems(use_case)),
        *(Flaw(*finding) for finding in explanation_problems(use_case)),
        *(Flaw(*finding) for finding in rollout_problems(use_case)),
        *(Flaw(*finding) for finding in compute_problems(use_case)),
        *(Flaw(*finding) for finding in (() if is_stored else option_problems(use_case))),
    ]


def _history(use_case: UseCase) -> Iterator[Flaw]:
    history = use_case.history
    if history.last_day is not None and history.last_day < history.first_day:
        yield Flaw(("history", "last_day"), str(history.last_day), f"lies before first_day {history.first_day}")


def _duplicate_names(use_case: UseCase) -> Iterator[Flaw]:
    groups: list[tuple[Path, list[str]]] = [
        (("sources",), [source.name for source in use_case.sources]),
        (("entities",), [entity.name for entity in use_case.entities]),
        (("features",), [view.name for view in use_case.features]),
        (("training", "learners"), [learner.name for learner in use_case.training.learners]),
    ]
    groups += [(("sources", i, "columns"), list(source.column_names)) for i, source in enumerate(use_case.sources)]
    for where, names in groups:
        for name, count in Counter(names).items():
            if count > 1:
                last = len(names) - 1 - names[::-1].index(name)
                yield Flaw((*where, last, "name"), name, f"{name!r} is declared {count} times: names must differ")


def _sources(use_case: UseCase) -> Iterator[Flaw]:
    for i, source in enumerate(use_case.sources):
        where: Path = ("sources", i)
        for j, key in enumerate(source.primary_key):
            if key not in source.column_names:
                message = unknown_name(f"no such column in {source.name!r}", key, source.column_names)
                yield Flaw((*where, "primary_key", j), key, message)
        if source.event_time is not None:
            if source.event_time not in source.column_names:
                message = unknown_name(f"no such column in {source.name!r}", source.event_time, source.column_names)
                yield Flaw((*where, "event_time"), source.event_time, message)
            elif source.column(source.event_time).type != "datetime":
                yield Flaw(
                    (*where, "event_time"), source.event_time, "the event time must be a column of type datetime"
                )
        for path, value, message in (
            *column_problems(source),
            *connector_problems(source),
            *migration_problems(source),
            *event_day_problems(source),
        ):
            yield Flaw((*where, *path), value, message)
        if source.stream is not None and (source.name != use_case.events or source.connector.event_topic is not None):
            reason = (
                "the connector names its topic" if source.name == use_case.events else "only the event source streams"
            )
            yield Flaw((*where, "stream"), source.stream.topic, f"{reason}: leave it out")
        if source.changes.deletes != "hard" and not source.is_incremental:
            yield Flaw(
                (*where, "changes", "deletes"),
                source.changes.deletes,
                f"{source.name!r} is not incremental: it delivers days, and no changes. Declare an incremental connector",
            )
        if source.changes.deletes == "history":
            for j, column in enumerate(source.columns):
                if column.name in HISTORY_COLUMNS:
                    message = "the table of all versions has a column of this name itself: rename it"
                    yield Flaw((*where, "columns", j, "name"), column.name, message)
        yield from _columns(use_case, source, where)


def _columns(use_case: UseCase, source: Source, where: Path) -> Iterator[Flaw]:
    for j, column in enumerate(source.columns):
        path: Path = (*where, "columns", j)
        if column.name in RESERVED_COLUMNS:
            yield Flaw((*path, "name"), column.name, "this name is reserved for the platform's own columns: rename it")
        limits = column.minimum is not None or column.maximum is not None
        if limits and not column.is_numeric:
            yield Flaw((*path, "type"), column.type, "minimum and maximum apply to numbers only")
        if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
            yield Flaw((*path, "minimum"), column.minimum, f"is larger than maximum {column.maximum}")
        if column.references is not None:
            problem = _reference(use_case, source, column.references)
            if problem:
                yield Flaw((*path, "references"), column.references, problem)


def _reference(use_case: UseCase, source: Source, reference: str) -> str | None:
    table, _, name = reference.partition(".")
    others = {other.name: other for other in use_case.sources if other.name != source.name}
    if table not in others:
        return unknown_name(f"no other source is called {table!r}", table, others)
    if name not in others[table].column_names:
        return unknown_name(f"source {table!r} has no column {name!r}", name, others[table].column_names)
    if others[table].is_daily:
        return f"source {table!r} is daily: only a reference table (without event_time) can be referred to"
    return None


def _time_zones(use_case: UseCase) -> Iterator[Flaw]:
    """Days of two kinds cannot be put together: a row would belong to one day here and to another there."""
    zones = {source.name: source.time_zone for source in use_case.sources if source.is_daily}
    for i, source in enumerate(use_case.sources):
        if not source.is_daily and source.time_zone != UTC_ZONE:
            message = f"{source.name!r} has no event time, and so no days: leave it out"
            yield Flaw(("sources", i, "time_zone"), source.time_zone, message)
        expected = zones.get(use_case.events, UTC_ZONE)
        if source.is_daily and source.time_zone != expected:
            message = f"days of {use_case.events!r} are those of {expected}: declare the same zone for {source.name!r}"
            yield Flaw(("sources", i, "time_zone"), source.time_zone, message)
    if use_case.events not in zones or zones[use_case.events] == UTC_ZONE:
        return
    for where, views in (("features", use_case.features), ("previous_features", use_case.previous_features)):
        for i, view in enumerate(views):
            for j, window in enumerate(view.windows):
                if window.covers_whole_days and window.aggregate == "seconds_since_last":
                    message = "days of a zone differ in length: count the seconds with `resolution: exact`"
                    yield Flaw((where, i, "windows", j, "resolution"), window.resolution, message)


def _events(use_case: UseCase) -> Iterator[Flaw]:
    names = [source.name for source in use_case.sources]
    if use_case.events not in names:
        yield Flaw(("events",), use_case.events, unknown_name("no such source", use_case.events, names))
    elif not use_case.event_source.is_daily:
        yield Flaw(("events",), use_case.events, "the scored table needs an event_time")


def _features(use_case: UseCase) -> Iterator[Flaw]:
    seen: dict[str, str] = {}
    views = [(("features", i), view) for i, view in enumerate(use_case.features)]
    views += [(("previous_features", i), view) for i, view in enumerate(use_case.previous_features)]
    for where, view in views:
        if not view.feature_names:
            yield Flaw(where, view.name, "declares no feature: add `windows`, `rows`, `lookups` or `functions`")
        if view.windows and view.entity is None:
            yield Flaw(where, view.name, "has windows, so it needs an `entity`")
        if view.entity is not None and view.entity not in [entity.name for entity in use_case.entities]:
            names = [entity.name for entity in use_case.entities]
            yield Flaw((*where, "entity"), view.entity, unknown_name("no such entity", view.entity, names))
        for path, value, message in window_problems(use_case, view):
            yield Flaw((*where, *path), value, message)
        for path, value, message in (*view_problems(use_case, view), *category_problems(use_case, view)):
            yield Flaw((*where, *path), value, message)
        if where[0] == "previous_features":
            continue
        for name in view.feature_names:
            if name in seen:
                yield Flaw(where, name, f"feature {name!r} is declared twice, first in {seen[name]!r}")
            if name in use_case.event_source.column_names and name not in pass_through(view):
                yield Flaw(where, name, f"feature {name!r} has the name of a column of {use_case.events!r}: rename it")
            seen[name] = view.name


def _gates_and_monitoring(use_case: UseCase) -> Iterator[Flaw]:
    metrics = use_case.training.metrics
    for path, value, message in gate_problems(use_case):
        yield Flaw(("gates", *path), value, message)
    monitoring = use_case.monitoring
    if monitoring.quality_metric not in metrics:
        message = unknown_name("is not measured", monitoring.quality_metric, metrics)
        yield Flaw(("monitoring", "quality_metric"), monitoring.quality_metric, message)
    if monitoring.retrain.violations > monitoring.retrain.of_last:
        yield Flaw(
            ("monitoring", "retrain", "violations"),
            monitoring.retrain.violations,
            f"exceeds of_last {monitoring.retrain.of_last}",
        )
    watched = {*use_case.feature_names, "score", "decision"}
    for name, column in monitoring.columns.items():
        if name not in watched:
            message = unknown_name("is no feature", name, ("score", "decision", *use_case.feature_names))
            yield Flaw(("monitoring", "columns", name), name, message)
        if not column.watched and not column.why:
            yield Flaw(("monitoring", "columns", name, "why"), column.why, "say why the column is not watched")
    for metric in monitoring.bounds:
        if metric not in metrics:
            yield Flaw(("monitoring", "bounds", metric), metric, unknown_name("is not measured", metric, metrics))
    freshness = use_case.freshness
    if freshness.warn_after_hours >= freshness.fail_after_hours:
        yield Flaw(("freshness", "warn_after_hours"), freshness.warn_after_hours, "must be less than fail_after_hours")


def _serving(use_case: UseCase) -> Iterator[Flaw]:
    serving = use_case.serving
    if serving.mode == "batch":
        yield from _batch(use_case)
    if use_case.task.has_decision and serving.decision is None:
        yield Flaw(("serving",), None, f"a {use_case.task.name} task needs `decision` with its threshold")
    if serving.decision is not None and not use_case.task.has_decision:
        tasks = " and ".join(task.name for task in declared_tasks() if task.has_decision)
        message = "; ".join(filter(None, [f"applies to {tasks} tasks only", use_case.task.without_decision]))
        yield Flaw(("serving", "decision"), serving.decision.threshold, message)
    if serving.unknown in ("refuse", "review") and not use_case.is_realtime:
        message = "is for services: in batch mode every row of a day is predicted; declare `decide` or leave it out"
        yield Flaw(("serving", "unknown"), serving.unknown, message)
    elif serving.unknown == "review" and serving.decision is None:
        message = (
            f"needs a decision that it replaces; a {use_case.task.name} task has none: declare `refuse` or `decide`"
        )
        yield Flaw(("serving", "unknown"), serving.unknown, message)
    costs = serving.decision.costs if serving.decision is not None else None
    if costs is not None and isinstance(costs.missed, str) and costs.missed not in use_case.feature_names:
        where: Path = ("serving", "decision", "costs", "missed")
        yield Flaw(where, costs.missed, unknown_name("is no feature", costs.missed, use_case.feature_names))


def _classes_of_tests(use_case: UseCase) -> Iterator[Flaw]:
    """A behaviour test may name a class only where the label is one of several."""
    if use_case.task.has_classes or use_case.label.column not in use_case.label_source.column_names:
        return
    for j, test in enumerate(use_case.gates.behaviour):
        of_class = getattr(test, "of_class", None)
        if of_class is not None:
            where: Path = ("gates", "behaviour", j, "of_class")
            yield Flaw(where, of_class, f"is for multi-class tasks; this one is {use_case.training.task}")


def _batch(use_case: UseCase) -> Iterator[Flaw]:
    """A day is predicted before it begins: its own events may not be counted."""
    for i, view in enumerate(use_case.features):
        for j, window in enumerate(view.windows):
            if window.delay_microseconds < MICROSECONDS["d"]:
                yield Flaw(
                    ("features", i, "windows", j, "delay_days"),
                    window.delay_days,
                    "predictions of a day are made before it begins (serving.mode is batch): a delay of at least 1 is needed",
                )
    if use_case.serving.processes > Serving.model_fields["processes"].default:
        yield Flaw(("serving", "processes"), use_case.serving.processes, "there is no service in batch mode")
