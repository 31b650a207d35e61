"""The `defs.yaml` that is proposed for a table, every guess marked with its reason.

Belongs here: the text. Does not belong here: the guesses themselves (`guesses.py`), or writing the file (`cli/init.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import TableFacts
from platform_assets.onboarding.guesses import Guesses, live_days, values_told_apart
from platform_assets.onboarding.interview import Understanding, is_leak, threshold_of
from platform_assets.onboarding.keys import CHANGE_ME, ROW_ID
from platform_assets.onboarding.labels import Guess
from platform_assets.onboarding.source_text import (
    ANSWER,
    MARK,
    key_name,
    label_source,
    quoted,
    said,
    sources,
    yaml_name,
)

_LENGTHS = (1, 7, 28)
"""Lengths of windows in days, where there are events each day."""
_LENGTHS_OF_PERIODS = (1, 3, 6)
"""In distances of events, where they lie far apart."""


def propose(name: str, understanding: Understanding) -> str:
    """The text of a declaration that loads, as far as the data allows.

    Args:
        name: of the use case.
        understanding: what data and answers mean.
    """
    return "\n".join([*_head(name, understanding), *sources(understanding), *_rest(understanding), ""])


def _head(name: str, understanding: Understanding) -> Iterator[str]:
    table, guesses = understanding.events.facts, understanding.guesses
    origin = f"{table.frame.height:,} rows of {table.origin}" + ("" if table.complete else ", evenly from more")
    given = any(answer.is_given for answer in understanding.answers.values())
    confirmed = f" `{ANSWER}` is what somebody said." if given else ""
    yield f"# Proposed from {origin}. Every line with `{MARK}` is yours to confirm or correct; then the marks may go.{confirmed}"
    for problem in guesses.problems:
        yield f"# To do: {problem}."
    yield "type: platform_assets.MlUseCase"
    yield ""
    yield "attributes:"
    yield f"  name: {name}"
    purpose, owner = understanding.value("purpose"), understanding.value("owner")
    text = quoted(purpose) if purpose else "What is predicted, for whom, and what it is used for."
    yield f"  description: {text}  {said(understanding, 'purpose', 'say it in your words')}"
    who = quoted(owner) if owner else f"team:{name.replace('_', '-')}"
    yield f"  owner: {who}  {said(understanding, 'owner', '`team:name` or an e-mail address')}"
    if guesses.first_day is None or guesses.last_day is None:
        yield f"  history: {{first_day: {CHANGE_ME}, last_day: {CHANGE_ME}}}  # {MARK} no days were found"
    else:
        yield (
            f"  history: {{first_day: {guesses.first_day}, last_day: {guesses.last_day}}}"
            f"  # {MARK} the days found; leave last_day out while data keeps arriving"
        )


def _feature(column: str, used: frozenset[str]) -> tuple[str, str]:
    """Name and expression of a feature that is the column itself, quoted where SQL takes the name for its own."""
    try:
        if columns_of(column) == [column]:
            return yaml_name(column), yaml_name(column)
    except (pl.exceptions.PolarsError, RuntimeError):
        pass
    name = f"{column}_value"
    return (name if name not in used else f"{name}_itself"), json.dumps(json.dumps(column))


def _rest(understanding: Understanding) -> Iterator[str]:
    guesses = understanding.guesses
    yield ""
    yield f"  events: {understanding.events.name}"
    yield from _label(understanding)
    yield from _entities(guesses)
    yield from _features(understanding)
    yield from _training(guesses)
    yield from _serving(understanding)


def _label(understanding: Understanding) -> Iterator[str]:
    label, outcome = understanding.guesses.label, understanding.outcome
    source = label_source(understanding)
    if outcome is not None:
        days = understanding.delay_days
        comment = said(understanding, "known_after_days", "how late outcomes came in this data")
        yield f"  label:  {said(understanding, 'label', outcome.why)}"
        yield f"    source: {source}"
        yield f"    column: {yaml_name(outcome.label)}"
        yield f"    decided_at: {yaml_name(outcome.time)}"
        yield f"    complete_after_days: {days}  {comment}"
        if outcome.row_is_outcome:
            yield f"    absent: 0  # {MARK} an event without a row is none, once its days are over"
    elif label is None:
        yield f"  label: {{source: {source}, column: {CHANGE_ME}}}  # {MARK} nothing looks like a label: name its column"
    else:
        yield f"  label: {{source: {source}, column: {yaml_name(label.value)}}}  {said(understanding, 'label', label.why)}"


def _entities(guesses: Guesses) -> Iterator[str]:
    if not guesses.entities:
        return
    yield ""
    yield "  entities:"
    for entity in guesses.entities:
        name = _entity_name(entity.value)
        yield f"    - {{name: {name}, key: {yaml_name(entity.value)}, description: Say what one is}}  # {MARK} {entity.why}"


def _entity_name(key: str) -> str:
    for ending in ("_id", "_key", "_number", "_code", "_uuid"):
        if key.endswith(ending) and key != ending:
            return key.removesuffix(ending)
    return key


def _features(understanding: Understanding) -> Iterator[str]:
    guesses, table = understanding.guesses, understanding.events.facts
    days, apart = guesses.days, guesses.days_apart
    wanted = _LENGTHS if apart == 1 else [periods * apart for periods in _LENGTHS_OF_PERIODS]
    lengths = [length for length in wanted if length <= days // 4] or [apart]
    yield ""
    yield "  features:"
    yield "    - name: event_itself"
    yield "      description: What is known at the event."
    used = frozenset(table.frame.columns)
    has_hours = _has_hours(table, guesses.event_time.value) or not (guesses.features or guesses.categories)
    if guesses.features or has_hours:
        yield "      rows:"
    for column in guesses.features:
        name, expression = _feature(column, used)
        yield (
            f"        - {{name: {name}, expression: {expression}, description: Say what it means}}"
            f"  # {MARK} known at the event"
        )
    if has_hours and guesses.event_time.value in used and "hour_of_day_utc" not in used:
        hour = json.dumps(f'EXTRACT(HOUR FROM "{guesses.event_time.value}")')
        yield f"        - {{name: hour_of_day_utc, expression: {hour}, description: Hour of the event (UTC)}}  # {MARK} days have hours"
    for item in guesses.left_out:
        yield f"        # {_left_out(understanding, item)}"
    if guesses.categories:
        yield "      categories:"
    for column in guesses.categories:
        values = json.dumps(values_told_apart(table.column(column)), ensure_ascii=False)
        yield (
            f"        - {{column: {yaml_name(column)}, description: Say what it means, values: {values}}}"
            f"  # {MARK} the values found, known at the event"
        )
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
                f"        - {{name: {name}_mean_{number}, aggregate: mean, column: {yaml_name(number)}, lengths_days: {lengths}, "
                f"description: Mean {number}}}  # {MARK} the first number of an event"
            )


def _left_out(understanding: Understanding, item: Guess) -> str:
    mark = ANSWER if is_leak(item) and understanding.given("not_known_then") else MARK
    return f"{mark} {item.value} is left out: {item.why}"


def _has_hours(table: TableFacts, time: str) -> bool:
    """Whether events have a time of day, and not the midnight that stands for a day."""
    if time not in table.frame.columns:
        return False
    return table.frame[time].drop_nulls().dt.time().n_unique() > 1


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


def _serving(understanding: Understanding) -> Iterator[str]:
    guesses, table = understanding.guesses, understanding.events.facts
    label = guesses.label.value if guesses.label else None
    leaks = {item.value for item in guesses.left_out if is_leak(item)}
    request = [facts.name for facts in table.columns if facts.name != label and facts.name not in leaks]
    if (made := key_name(guesses)) or guesses.key[0] == (ROW_ID,):
        request.insert(0, made or ROW_ID)
    days = guesses.days
    yield ""
    yield "  serving:"
    yield f"    request: [{', '.join(map(yaml_name, request))}]  # {MARK} what is known when a prediction is asked for"
    if DECLARED_TASKS[guesses.task].has_decision:
        yield from _decision(understanding)
        yield f"    unknown: review  # {MARK} what a request of somebody unknown gets: refuse, review or decide"
    else:
        yield f"    unknown: decide  # {MARK} what a request of somebody unknown gets: refuse or decide"
    yield ""
    metric = _WORDS[guesses.task].select_by
    yield "  monitoring:"
    yield f"    window_days: {live_days(guesses.splits or (7, 0, 7, 1), days)}  # {MARK} a week, or what the history leaves"
    yield f"    min_rows: {max(20, min(500, table.frame.height // max(1, days)))}  # {MARK} the rows of a day, at most 500"
    yield f"    quality_metric: {metric}  # {MARK} the one that decides between candidates"


def _decision(understanding: Understanding) -> Iterator[str]:
    threshold = threshold_of(understanding)
    if not threshold:
        yield f"    decision: {{threshold: 0.5, above: act, below: pass}}  # {MARK} your words and your threshold"
        return
    missed, false_alarm = understanding.value("missed"), understanding.value("false_alarm")
    yield "    decision:"
    yield f"      threshold: {threshold}  # {ANSWER} {false_alarm} / ({false_alarm} + {missed}): an alarm saves more than it costs"
    yield f"      above: act  # {MARK} your words"
    yield f"      below: pass  # {MARK} your words"
    yield f"      costs: {{missed: {missed}, false_alarm: {false_alarm}}}  {said(understanding, 'missed', 'as was answered')}"
