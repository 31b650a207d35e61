"""The `defs.yaml` that is proposed for a table, every guess marked with its reason.

Belongs here: the text. Does not belong here: the guesses themselves (`guesses.py`), or writing the file (`cli/init.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import polars as pl

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import ColumnFacts, TableFacts
from platform_assets.onboarding.guesses import CHANGE_ME, ROW_ID, Guesses, live_days

MARK = "guess:"

_YAML_WORDS = frozenset({"on", "off", "yes", "no", "y", "n", "true", "false", "null"})


def propose(name: str, table: TableFacts, guesses: Guesses) -> str:
    """The text of a declaration that loads, as far as the data allows.

    Args:
        name: of the use case.
        table: what was found.
        guesses: what it probably means.
    """
    return "\n".join([*_head(name, table, guesses), *_source(table, guesses), *_rest(guesses, table), ""])


def _head(name: str, table: TableFacts, guesses: Guesses) -> Iterator[str]:
    origin = f"{table.frame.height:,} rows of {table.origin}" + ("" if table.complete else ", evenly from more")
    yield f"# Proposed from {origin}. Every line with `{MARK}` is yours to confirm or correct; then the marks may go."
    for problem in guesses.problems:
        yield f"# To do: {problem}."
    yield "type: platform_assets.MlUseCase"
    yield ""
    yield "attributes:"
    yield f"  name: {name}"
    yield f"  description: What is predicted, for whom, and what it is used for.  # {MARK} say it in your words"
    yield f"  owner: team:{name.replace('_', '-')}  # {MARK} `team:name` or an e-mail address"
    if guesses.first_day is None or guesses.last_day is None:
        yield f"  history: {{first_day: {CHANGE_ME}, last_day: {CHANGE_ME}}}  # {MARK} no days were found"
    else:
        yield (
            f"  history: {{first_day: {guesses.first_day}, last_day: {guesses.last_day}}}"
            f"  # {MARK} the days found; leave last_day out while data keeps arriving"
        )


def _source(table: TableFacts, guesses: Guesses) -> Iterator[str]:
    key, why = guesses.key
    together = _key_of(guesses)
    yield ""
    yield "  sources:"
    yield "    - name: events"
    yield f"      description: What one row is.  # {MARK} say it in your words"
    yield f"      connector: {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in table.connector.items())}}}"
    if guesses.has_days_without_events:
        yield f"      calendar: any  # {MARK} some days have no row; weekdays and holidays can be named"
    yield f"      primary_key: [{together or ', '.join(map(_name, key))}]  # {MARK} {why}"
    yield f"      event_time: {_name(guesses.event_time.value)}  # {MARK} {guesses.event_time.why}"
    yield "      columns:"
    if key == (ROW_ID,):
        yield f"        - {_computed_key(ROW_ID, 'source_position', 'source_line')}  # {MARK} a request names its row itself"
    elif together:
        yield f"        - {_computed_key(together, *key)}  # {MARK} {' and '.join(key)} together"
    for facts in table.columns:
        yield f"        - {_column(facts, guesses)}"


def _column(facts: ColumnFacts, guesses: Guesses) -> str:
    is_label = guesses.label is not None and facts.name == guesses.label.value
    binary_label = is_label and DECLARED_TASKS[guesses.task].has_decision
    fields = [f"name: {_name(facts.name)}", f"type: {'int8' if binary_label and facts.type == 'int64' else facts.type}"]
    fields[1:1] = _delivery(facts)
    fields.append(f"description: {json.dumps('Say what it means, with its unit')}")
    why = []
    if facts.nulls and facts.name not in guesses.key[0] and facts.name != guesses.event_time.value:
        fields.append("nullable: true")
        unused = ", and are not learned from" if is_label else ""
        why.append(f"{facts.nulls:,} of {facts.rows:,} have no value{unused}")
    if guesses.key[0] == (facts.name,):
        fields.append("unique: true")
        why.append(guesses.key[1])
    if binary_label and facts.type == "int64":
        fields.append("allowed: [0, 1]")
        why.append("the only values found")
    elif facts.type == "string" and facts.values is not None and facts.rows >= 20 * len(facts.values):
        fields.append(f"allowed: [{', '.join(json.dumps(value) for value in facts.values)}]")
        classes = is_label and DECLARED_TASKS[guesses.task].has_classes
        why.append("the classes found, in the order of their probabilities" if classes else "the only values found")
    elif facts.minimum is not None and facts.maximum is not None and facts.name not in guesses.key[0]:
        fields += [f"{limit}: {_number(value)}" for limit, value in _bounds(facts.minimum, facts.maximum).items()]
        why.append(f"found {facts.minimum:g} to {facts.maximum:g}")
    if facts.hint:
        why.append(facts.hint)
    if facts.misfits:
        why.append(f"{facts.misfits:,} cells do not fit and would go to quarantine")
    return "{" + ", ".join(fields) + "}" + f"  # {MARK} {'; '.join(why) or 'every value has this type'}"


def _key_of(guesses: Guesses) -> str:
    """Name of the one column that stands for a key of two; nothing where the key is a column."""
    return "row_key" if len(guesses.key[0]) > 1 else ""


def _computed_key(name: str, *parts: str) -> str:
    texts = [part if part.startswith("source_") else f'CAST(\\"{part}\\" AS VARCHAR)' for part in parts]
    expression = f"CONCAT({texts[0]}, ':', {texts[1]})"
    return (
        f'{{name: {name}, type: string, unique: true, description: What identifies a row, expression: "{expression}"}}'
    )


def _delivery(facts: ColumnFacts) -> list[str]:
    """How a column is delivered, where not under its own name and as its type is written."""
    fields = []
    if facts.delivered:
        names = [json.dumps(name, ensure_ascii=False) for name in facts.delivered]
        fields.append(f"from: {names[0] if len(names) == 1 else f'[{chr(44).join(names)}]'}")
    fields += [f"{field}: {json.dumps(value, ensure_ascii=False)}" for field, value in facts.written.items()]
    return fields


def _bounds(lowest: float, highest: float) -> dict[str, float]:
    """Zero as a limit where no value has the other sign; what else is too large or too small, the data does not say."""
    if lowest >= 0:
        return {"minimum": 0}
    return {"maximum": 0} if highest <= 0 else {}


def _number(value: float) -> str:
    """A number that YAML reads as one: it takes 1e+07 for text."""
    return f"{Decimal(repr(value)).normalize():f}"


def _name(column: str) -> str:
    """A column's name as YAML reads it back: `on`, `no` and `null` are no text unless they are quoted."""
    return json.dumps(column) if column in _YAML_WORDS else column


def _feature(column: str, used: frozenset[str]) -> tuple[str, str]:
    """Name and expression of a feature that is the column itself, quoted where SQL takes the name for its own."""
    try:
        if columns_of(column) == [column]:
            return _name(column), _name(column)
    except (pl.exceptions.PolarsError, RuntimeError):
        pass
    name = f"{column}_value"
    return (name if name not in used else f"{name}_itself"), json.dumps(json.dumps(column))


def _rest(guesses: Guesses, table: TableFacts) -> Iterator[str]:
    yield ""
    yield "  events: events"
    if guesses.label is None:
        yield f"  label: {{source: events, column: {CHANGE_ME}}}  # {MARK} nothing looks like a label: name its column"
    else:
        yield f"  label: {{source: events, column: {_name(guesses.label.value)}}}  # {MARK} {guesses.label.why}"
    yield from _entities(guesses)
    yield from _features(guesses, table)
    yield from _training(guesses)
    yield from _serving(guesses, table)


def _entities(guesses: Guesses) -> Iterator[str]:
    if not guesses.entities:
        return
    yield ""
    yield "  entities:"
    for entity in guesses.entities:
        name = _entity_name(entity.value)
        yield f"    - {{name: {name}, key: {_name(entity.value)}, description: Say what one is}}  # {MARK} {entity.why}"


def _entity_name(key: str) -> str:
    for ending in ("_id", "_key", "_number", "_code", "_uuid"):
        if key.endswith(ending) and key != ending:
            return key.removesuffix(ending)
    return key


def _features(guesses: Guesses, table: TableFacts) -> Iterator[str]:
    days = guesses.days
    lengths = [length for length in (1, 7, 28) if length <= days // 4] or [1]
    yield ""
    yield "  features:"
    yield "    - name: event_itself"
    yield "      description: What is known at the event."
    yield "      rows:"
    used = frozenset(table.frame.columns)
    for column in guesses.features:
        name, expression = _feature(column, used)
        yield (
            f"        - {{name: {name}, expression: {expression}, description: Say what it means}}"
            f"  # {MARK} known at the event"
        )
    if guesses.event_time.value in used and "hour_of_day_utc" not in used:
        hour = json.dumps(f'EXTRACT(HOUR FROM "{guesses.event_time.value}")')
        yield f"        - {{name: hour_of_day_utc, expression: {hour}, description: Hour of the event (UTC)}}  # {MARK} days have hours"
    for item in guesses.left_out:
        yield f"        # {MARK} {item.value} is left out: {item.why}"
    number = next((name for name in guesses.features if table.column(name).type == "float64"), None)
    for entity in guesses.entities:
        name = _entity_name(entity.value)
        yield f"    - name: {name}_activity"
        yield f"      description: What the {name} has been doing.  # {MARK} drop it if the past of a {name} does not matter"
        yield f"      entity: {name}"
        yield "      windows:"
        yield (
            f"        - {{name: {name}_count, aggregate: count, lengths_days: {lengths}, "
            f"description: Number of events}}  # {MARK} lengths that fit the history"
        )
        if number is not None:
            yield (
                f"        - {{name: {name}_mean_{number}, aggregate: mean, column: {_name(number)}, lengths_days: {lengths}, "
                f"description: Mean {number}}}  # {MARK} the first number of an event"
            )


@dataclass(frozen=True, slots=True)
class _Words:
    """The wording of a proposal for one kind of task."""

    why: str
    linear: str
    metrics: str
    select_by: str
    plausible: str
    single: str


_WORDS = MappingProxyType(
    {
        "binary": _Words(
            "the label is 0 or 1",
            "logistic_regression",
            "auc_roc, average_precision, brier",
            "average_precision",
            "auc_roc: 0.995",
            "auc_roc: 0.99",
        ),
        "multiclass": _Words(
            "the label is one of several classes",
            "logistic_regression",
            "balanced_accuracy, macro_f1, worst_class_recall, auc_roc, log_loss",
            "balanced_accuracy",
            "balanced_accuracy: 0.995",
            "auc_roc: 0.99",
        ),
        "regression": _Words("the label is a number", "ridge", "rmse, mae, r2", "rmse", "r2: 0.99", "r2: 0.98"),
    }
)


def _training(guesses: Guesses) -> Iterator[str]:
    words = _WORDS[guesses.task]
    train, delay, test, folds = guesses.splits or (7, 0, 7, 1)
    yield ""
    yield "  training:"
    yield f"    task: {guesses.task}  # {MARK} {words.why}"
    yield f"    learners:  # {MARK} something to beat, something simple, and trees"
    yield "      - {name: constant, kind: constant, baseline: true}"
    yield f"      - {{name: linear, kind: {words.linear}}}"
    yield "      - {name: xgboost, kind: xgboost}"
    yield (
        f"    splits: {{train_days: {train}, delay_days: {delay}, test_days: {test}, folds: {folds}}}"
        f"  # {MARK} fits the history; a label that arrives later needs `arrival_delay_days` and a delay here"
    )
    yield f"    metrics: [{words.metrics}]  # {MARK} the usual ones"
    yield f"    select_by: {words.select_by}  # {MARK} what decides between candidates"
    yield ""
    yield (
        f"  gates: {{min_training_rows: 100, plausible: {{{words.plausible}}}, max_single_feature: {{{words.single}}}}}"
        f"  # {MARK} better than this is a leak until somebody has explained it; add floors for the metrics that matter to you"
    )


def _serving(guesses: Guesses, table: TableFacts) -> Iterator[str]:
    label = guesses.label.value if guesses.label else None
    leaks = {item.value for item in guesses.left_out if item.why.startswith(("knows", "this column is another"))}
    request = [facts.name for facts in table.columns if facts.name != label and facts.name not in leaks]
    if (made := _key_of(guesses)) or guesses.key[0] == (ROW_ID,):
        request.insert(0, made or ROW_ID)
    days = guesses.days
    yield ""
    yield "  serving:"
    yield f"    request: [{', '.join(map(_name, request))}]  # {MARK} what is known when a prediction is asked for"
    if DECLARED_TASKS[guesses.task].has_decision:
        yield f"    decision: {{threshold: 0.5, above: act, below: pass}}  # {MARK} your words and your threshold"
        yield f"    unknown: review  # {MARK} what a request of somebody unknown gets: refuse, review or decide"
    else:
        yield f"    unknown: decide  # {MARK} what a request of somebody unknown gets: refuse or decide"
    yield ""
    metric = _WORDS[guesses.task].select_by
    yield "  monitoring:"
    yield f"    window_days: {live_days(guesses.splits or (7, 0, 7, 1), days)}  # {MARK} a week, or what the history leaves"
    yield f"    min_rows: {max(20, min(500, table.frame.height // max(1, days)))}  # {MARK} the rows of a day, at most 500"
    yield f"    quality_metric: {metric}  # {MARK} the one that decides between candidates"
