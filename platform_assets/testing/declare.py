"""A valid declaration in a line or three, for tests: columns, a label and features in, everything else by default.

Belongs here: defaults that make a short declaration whole, and its YAML. Does not belong here: rows, worlds of one test, or what makes a
declaration valid (`platform_assets/declaration/`).

    use_case = declare(
        events={"visit": "int64", "at": "datetime", "lot": "int32", "speed": "float64?", "gate": ["north", "south"]},
        label="unpaid",
        features=["speed", {"name": "lot_activity", "entity": "lot", "windows": [window("visits", "count", None, [1, 7])]}],
    )
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.columns import NUMERIC_TYPES
from platform_assets.declaration.tasks.registry import DECLARED_TASKS

Columns = Mapping[str, Any]
"""Names of columns with a type (`float64`, or `float64?` where values may lack), a list of allowed values, or fields of a column."""

LABELS = "labels"
CONNECTOR: Mapping[str, Any] = {"kind": "files", "format": "csv", "path": "none.csv"}
_TRAINING: Mapping[str, Mapping[str, Any]] = {
    "binary": {
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "logistic", "kind": "logistic_regression"},
        ],
        "metrics": ["auc_roc"],
        "select_by": "auc_roc",
    },
    "multiclass": {
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "logistic", "kind": "logistic_regression"},
        ],
        "metrics": ["balanced_accuracy"],
        "select_by": "balanced_accuracy",
    },
    "regression": {
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "ridge", "kind": "ridge"},
        ],
        "metrics": ["rmse"],
        "select_by": "rmse",
    },
}


def declare(*, events: Columns, label: str | Columns, **more: Any) -> UseCase:
    """The use case of `declaration(...)`, validated.

    Raises:
        pydantic.ValidationError: what was given makes no valid declaration.
    """
    return UseCase.model_validate(declaration(events=events, label=label, **more))


def declaration(
    *,
    events: Columns,
    label: str | Columns,
    features: Sequence[str | Mapping[str, Any]] | None = None,
    name: str = "small",
    table: str = "events",
    connector: Mapping[str, Any] = CONNECTOR,
    label_delay_days: int = 1,
    label_source: Mapping[str, Any] = MappingProxyType({}),
    sources: Sequence[Mapping[str, Any]] = (),
    entities: Sequence[Mapping[str, Any]] | None = None,
    training: Mapping[str, Any] | None = None,
    decision: Mapping[str, Any] = MappingProxyType({"threshold": 0.5}),
    **sections: Any,
) -> dict[str, Any]:
    """A whole declaration as plain values.

    Args:
        events: columns of the scored table; the first is its key, the first `datetime` its event time.
        label: a name, for a label of 0 and 1; or its column, for a task of several classes (allowed values) or a regression (a number). A
            label that is a column of the events is delivered with them, any other in a source `labels` of its own.
        features: columns as they are, and feature views; default: every number among the events that identifies nothing.
        name: of the use case.
        table: name of the scored table.
        connector: where the events come from; default: a file that nobody reads.
        label_delay_days: days until a label is known.
        label_source: fields of the label's own source that differ from the default.
        sources: further sources.
        entities: what features describe; default: those that views name, each with the column `NAME` or `NAME_id` as key.
        training: fields of the section that differ from the default of the task.
        decision: the decision rule of a binary task.
        sections: further sections of the declaration, each whole.
    """
    columns = [_column(column, given) for column, given in events.items()]
    label_column = _label_column(label, columns)
    declared = _sources(table, columns, label_column, connector, label_delay_days, label_source)
    views, task = _views(features, [column for column in columns[1:] if column != label_column]), _task(label_column)
    splits = {"train_days": 2, "delay_days": label_delay_days, "test_days": 2, "folds": 1}
    section = {**_TRAINING[task], "task": task, "splits": splits, **(training or {})}
    request = [column["name"] for column in columns if column is not label_column]
    decided = {"decision": decision} if DECLARED_TASKS[section["task"]].has_decision else {}
    document = {
        "name": name,
        "description": name,
        "owner": "team:tests",
        "history": {"first_day": "2024-01-01", "last_day": "2024-03-31"},
        "sources": [*declared, *(_described(source) for source in sources)],
        "events": table,
        "label": {"source": declared[-1]["name"], "column": label_column["name"]},
        "entities": [_described(entity) for entity in (_entities(views, request) if entities is None else entities)],
        "features": views,
        "training": section,
        "serving": {"request": request, "unknown": "decide", **decided},
        "monitoring": {"quality_metric": section["select_by"]},
    }
    whole: dict[str, Any] = plain({**document, **sections})
    return whole


def plain(value: Any) -> Any:
    """A copy in plain dictionaries and lists, as YAML has them."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def write_declaration(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write a declaration as the `defs.yaml` of a folder, which is made; the file."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "defs.yaml"
    content = {"type": "platform_assets.MlUseCase", "attributes": dict(document)}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def window(name: str, aggregate: str, column: str | None, days: Sequence[int], **more: Any) -> dict[str, Any]:
    """A declared window; its name is its description too."""
    return {
        "name": name,
        "description": name,
        "aggregate": aggregate,
        "column": column,
        "lengths_days": list(days),
        **more,
    }


def row(name: str, expression: str) -> dict[str, Any]:
    """A declared feature of the event's own row."""
    return {"name": name, "description": name, "expression": expression}


def _column(name: str, given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        given = {"type": given.rstrip("?"), **({"nullable": True} if given.endswith("?") else {})}
    elif not isinstance(given, Mapping):
        values = list(given)
        given = {"type": "string" if isinstance(values[0], str) else "int8", "allowed": values}
    return {"name": name, "description": name, **given}


def _label_column(label: str | Columns, columns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(label, str):
        [(name, given)] = label.items()
        return _column(name, given)
    of_events = [column for column in columns if column["name"] == label]
    return of_events[0] if of_events else _column(label, [0, 1])


def _task(label: Mapping[str, Any]) -> str:
    allowed = label.get("allowed")
    if not allowed:
        return "regression"
    return "binary" if set(allowed) <= {0, 1} else "multiclass"


def _source(name: str, columns: Sequence[Mapping[str, Any]], key: str, time: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": name,
        "connector": dict(CONNECTOR),
        "columns": [dict(column) for column in columns],
        "primary_key": [key],
        "event_time": time,
    }


def _sources(
    table: str,
    columns: Sequence[Mapping[str, Any]],
    label: Mapping[str, Any],
    connector: Mapping[str, Any],
    label_delay_days: int,
    label_source: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The scored table and, where the label is not among its columns, the label's own source."""
    key, time = columns[0]["name"], next(column["name"] for column in columns if column["type"] == "datetime")
    events = {**_source(table, columns, key, time), "connector": connector}
    if label in columns:
        return [events]
    own = [column for column in columns if column["name"] in (key, time)]
    delay = {"arrival_delay_days": label_delay_days}
    return [events, {**_source(LABELS, [*own, label], key, time), **delay, **label_source}]


def _views(
    features: Sequence[str | Mapping[str, Any]] | None, columns: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Columns as they are in a first view, then the views that were given."""
    if features is None:
        features = [column["name"] for column in columns if column["type"] in NUMERIC_TYPES]
    plain = [feature for feature in features if isinstance(feature, str)]
    views = [_described(view) for view in features if not isinstance(view, str)]
    first = [{"name": "as_delivered", "description": "As delivered", "rows": [row(column, column) for column in plain]}]
    return (first if plain else []) + views


def _described(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": part["name"], **part}


def _entities(views: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    names = dict.fromkeys(view["entity"] for view in views if view.get("entity"))
    return [{"name": name, "key": name if name in columns else f"{name}_id"} for name in names]
