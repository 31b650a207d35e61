"""The `sources` of a proposed declaration: the table of the events, and what its labels come in.

Belongs here: the text of tables and columns. Does not belong here: all other sections (`proposal.py`), and guesses (`guesses.py`).

A label that is known later than its event is a source of its own, also where both stand in the same file: it arrives later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.facts import ColumnFacts, TableFacts
from platform_assets.onboarding.guesses import Guesses
from platform_assets.onboarding.interview import Understanding
from platform_assets.onboarding.keys import ROW_ID
from platform_assets.onboarding.outcomes import OutcomeTable
from platform_assets.onboarding.refusals import limit_of_refusals, limits_of_volume

MARK = "guess:"
ANSWER = "answer:"
"""What a person said; nothing that has to be confirmed."""
LABELS = "labels"
"""Source of labels that stand with their events and are known later."""
ROW_KEY = "row_key"
"""The one column that stands for a key of two."""

_YAML_WORDS = frozenset({"on", "off", "yes", "no", "y", "n", "true", "false", "null"})


def said(understanding: Understanding, key: str, why: str) -> str:
    """The comment of a line: the answer of a person with its question, or the guess with its reason."""
    answer = understanding.answers.get(key)
    if answer is None or not answer.is_given or not answer.value:
        return f"# {MARK} {why}"
    return f"# {ANSWER} {understanding.questions[key].partition('?')[0]}? {answer.value}"


def quoted(text: str) -> str:
    """Text of a person as YAML reads it back."""
    return json.dumps(text, ensure_ascii=False)


def sources(understanding: Understanding) -> Iterator[str]:
    """The lines of all sources."""
    yield ""
    yield "  sources:"
    yield from _events(understanding)
    if understanding.outcome is not None:
        yield from _outcomes(understanding, understanding.outcome)
    elif understanding.delay_days and understanding.label is not None:
        yield from _labels(understanding)


def label_source(understanding: Understanding) -> str:
    """Name of the source that carries the label."""
    if understanding.outcome is not None:
        return understanding.outcome.table.name
    return LABELS if understanding.delay_days else understanding.events.name


def _connector(fields: Mapping[str, str]) -> str:
    return f"      connector: {{{', '.join(f'{name}: {json.dumps(value, ensure_ascii=False)}' for name, value in fields.items())}}}"


def _events(understanding: Understanding) -> Iterator[str]:
    guesses, table = understanding.guesses, understanding.events.facts
    row = understanding.value("row")
    yield f"    - name: {understanding.events.name}"
    text = quoted(row) if understanding.given("row") else "What one row is."
    yield f"      description: {text}  {said(understanding, 'row', 'say it in your words')}"
    yield _connector(table.connector)
    if guesses.has_days_without_events:
        yield f"      calendar: any  # {MARK} some days have no row; weekdays and holidays can be named"
    yield from _key_and_time(understanding)
    leaves = understanding.label if understanding.delay_days and understanding.outcome is None else None
    yield "      columns:"
    yield from _computed_keys(guesses)
    for facts in table.columns:
        if facts.name != leaves:
            yield f"        - {_column(facts, guesses)}"


def _quality(table: TableFacts, key: Sequence[str], time: str) -> Iterator[str]:
    fields, reasons = [], []
    refusals, volume = limit_of_refusals(table, key, time), limits_of_volume(table, time)
    if refusals is not None:
        fields.append(f"max_refused_ratio: {refusals.value}")
        reasons.append(refusals.why)
    if volume is not None:
        fields.append(f"volume: {{min_ratio: {volume[0]:g}, max_ratio: {volume[1]:g}}}")
        reasons.append("days have very different numbers of rows")
    if fields:
        yield f"      quality: {{{', '.join(fields)}}}  # {MARK} {'; '.join(reasons)}"


def _key_and_time(understanding: Understanding) -> Iterator[str]:
    guesses = understanding.guesses
    key, why = guesses.key
    yield f"      primary_key: [{key_name(guesses) or ', '.join(map(yaml_name, key))}]  # {MARK} {why}"
    time = guesses.event_time
    yield f"      event_time: {yaml_name(time.value)}  {said(understanding, 'event_time', time.why)}"
    yield from _quality(understanding.events.facts, key, time.value)


def _labels(understanding: Understanding) -> Iterator[str]:
    """A second source of the same files: what became of each event, so many days later."""
    guesses, table = understanding.guesses, understanding.events.facts
    why = "so many days after its event; until then nothing learns from it"
    yield ""
    yield f"    - name: {LABELS}"
    yield f"      description: What became of each event, in the same {table.connector['kind']}, known later."
    yield _connector(table.connector)
    if guesses.has_days_without_events:
        yield f"      calendar: any  # {MARK} as its events"
    yield from _key_and_time(understanding)
    yield f"      arrival_delay_days: {understanding.delay_days}  {said(understanding, 'known_after_days', why)}"
    yield "      columns:"
    yield from _computed_keys(guesses)
    kept = {*guesses.key[0], guesses.event_time.value, understanding.label}
    for facts in table.columns:
        if facts.name in kept:
            yield f"        - {_column(facts, guesses)}"


def _outcomes(understanding: Understanding, outcome: OutcomeTable) -> Iterator[str]:
    """The table that says what became of events, each row dated by its decision."""
    guesses, table = understanding.guesses, outcome.table.facts
    yield ""
    yield f"    - name: {outcome.table.name}"
    yield f"      description: What became of events.  # {MARK} {outcome.why}"
    yield _connector(table.connector)
    yield f"      calendar: any  # {MARK} on some days nothing becomes known"
    yield f"      primary_key: [{', '.join(map(yaml_name, outcome.key))}]  # {MARK} the key of the events"
    yield f"      event_time: {yaml_name(outcome.time)}  # {MARK} when it became known"
    yield from _quality(table, outcome.key, outcome.time)
    yield "      columns:"
    for facts in table.columns:
        if facts.name in {*outcome.key, outcome.time, outcome.label}:
            yield f"        - {_column(facts, guesses, is_label=facts.name == outcome.label)}"
    if outcome.row_is_outcome:
        yield (
            f"        - {{name: {outcome.label}, type: int8, value: 1, description: It happened, allowed: [0, 1]}}"
            f"  # {MARK} a row says that it happened"
        )


def _computed_keys(guesses: Guesses) -> Iterator[str]:
    key = guesses.key[0]
    if key == (ROW_ID,):
        yield f"        - {_computed_key(ROW_ID, 'source_position', 'source_line')}  # {MARK} a request names its row itself"
    elif together := key_name(guesses):
        yield f"        - {_computed_key(together, *key)}  # {MARK} {' and '.join(key)} together"


def _column(facts: ColumnFacts, guesses: Guesses, is_label: bool = False) -> str:
    is_label = is_label or (guesses.label is not None and facts.name == guesses.label.value)
    binary_label = is_label and DECLARED_TASKS[guesses.task].has_decision
    fields = [
        f"name: {yaml_name(facts.name)}",
        f"type: {'int8' if binary_label and facts.type == 'int64' else facts.type}",
    ]
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
        fields.append(f"allowed: [{', '.join(quoted(str(value)) for value in facts.values)}]")
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


def key_name(guesses: Guesses) -> str:
    """Name of the one column that stands for a key of two; nothing where the key is a column."""
    return ROW_KEY if len(guesses.key[0]) > 1 else ""


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


def yaml_name(column: str) -> str:
    """A column's name as YAML reads it back: `on`, `no` and `null` are no text unless they are quoted."""
    return json.dumps(column) if column in _YAML_WORDS else column
