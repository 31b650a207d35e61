"""What a declaration needs and data does not say: each question with the best guess as its answer, and why.

Belongs here: the questions, their order, and what their answers make of the guesses. Does not belong here: asking a person (`cli/ask.py`),
keeping answers (`answers.py`), and the text of the declaration (`proposal.py`).

Nobody has to answer: every question has an answer that holds when nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.members import nearest
from platform_assets.onboarding.facts import ColumnFacts, OnboardingError, TableFacts
from platform_assets.onboarding.guesses import Guesses, guess_of
from platform_assets.onboarding.labels import Guess, with_binary_label
from platform_assets.onboarding.naming import declared_names
from platform_assets.onboarding.outcomes import OutcomeTable, outcome_tables, unusable_outcomes
from platform_assets.onboarding.tables import FoundTable

NOTHING = ""
"""The answer of somebody who does not say."""
LATEST_DAYS = 3650


@dataclass(frozen=True)
class Question:
    """Something that data does not say.

    Attributes:
        key: under which its answer is kept.
        text: the question.
        default: the answer that holds when nobody gives one; nothing where it may stay open.
        why: of that answer.
        choices: the answers that there are; none where any text may be one.
        problem: what is wrong with an answer; nothing where it can be used.
        is_list: whether an answer is several choices, with commas between.
        refused: answers that somebody may well mean and that are no choice, each with a sentence why and what to do.
    """

    key: str
    text: str
    default: str
    why: str
    choices: tuple[str, ...] = ()
    problem: Callable[[str], str] = lambda answer: ""
    is_list: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    def wrong_with(self, answer: str) -> str:
        """What is wrong with an answer, in words; nothing where it can be used."""
        if not self.choices or (answer == NOTHING and (self.default == NOTHING or self.is_list)):
            return "" if answer == self.default else self.problem(answer)
        for one in listed(answer) if self.is_list else [answer]:
            if one in self.refused:
                return self.refused[one]
            if one not in self.choices:
                near = nearest(one, self.choices)
                meant = f": did you mean {near}?" if near else ""
                return f"{one!r} is none of {', '.join(self.choices)}{meant}"
        return self.problem(answer)


@dataclass(frozen=True)
class Reply:
    """What holds.

    Attributes:
        value: as text; empty where nothing was said.
        is_given: whether a person gave or confirmed it.
    """

    value: str
    is_given: bool


Ask = Callable[[Question], Reply]
"""Puts a question and returns an answer that can be used."""


@dataclass(frozen=True)
class Understanding:
    """What data and answers together mean.

    Attributes:
        events: the table whose rows are scored.
        guesses: about it.
        outcome: the table that carries the label, where it is not that of the events.
        delay_days: days after its event until a label is known.
        answers: by question, in the order in which they were asked.
        questions: the texts of these questions.
        tables: all that were found.
    """

    events: FoundTable
    guesses: Guesses
    outcome: OutcomeTable | None
    delay_days: int
    answers: Mapping[str, Reply]
    questions: Mapping[str, str]
    tables: tuple[FoundTable, ...] = field(default=())

    @property
    def label(self) -> str | None:
        """Name of the label."""
        if self.outcome is not None:
            return self.outcome.label
        return None if self.guesses.label is None else self.guesses.label.value

    def value(self, key: str) -> str:
        """The answer to a question; nothing where it was not asked or not answered."""
        return self.answers[key].value if key in self.answers else NOTHING

    def given(self, key: str) -> str:
        """The answer that a person gave; nothing where nobody did."""
        answer = self.answers.get(key)
        return answer.value if answer is not None and answer.is_given else NOTHING


def listed(text: str) -> list[str]:
    """The parts of an answer with several."""
    return [part.strip() for part in text.split(",") if part.strip()]


def understand(tables: Sequence[FoundTable], ask: Ask, label: str | None = None) -> Understanding:
    """Ask what the tables do not say, and put it together with what they do.

    Args:
        tables: what was found, the one with most rows first.
        ask: puts each question.
        label: the label's column, where the caller knows it; it is not asked for then.

    Raises:
        OnboardingError: the named label is not there.
    """
    asked: dict[str, Reply] = {}
    questions: dict[str, str] = {}

    def put(question: Question) -> str:
        questions[question.key] = question.text
        asked[question.key] = ask(question)
        return asked[question.key].value

    events = _events(tables, put)
    table, known = with_binary_label(events.facts, label)
    first = guess_of(table, known)
    time = _event_time(table, first, put)
    first = guess_of(table, known, time) if time is not None else first
    put(_row_question(first))
    others = [each for each in tables if each.name != events.name]
    outcomes = outcome_tables(events, first.key[0], first.event_time.value, others)
    outcome = None
    if label is None:
        chosen = put(_label_question(events, table, first, outcomes, others))
        outcome = next((each for each in outcomes if each.choice == chosen), None)
        table, known = (events.facts, None) if outcome is not None else with_binary_label(events.facts, chosen or None)
    is_named = known is not None or outcome is not None
    delay = _delay(outcome, put) if is_named else 0
    name = outcome.label if outcome is not None else None
    guesses = guess_of(table, known, time, delay, outcome=name)
    if is_named:
        unknown = listed(put(_left_out_question(table, guesses, outcome)))
        if asked["not_known_then"].is_given:
            guesses = guess_of(table, known, time, delay, unknown, name)
    guesses = _with_given_label(guesses, asked)
    if DECLARED_TASKS[guesses.task].has_decision and is_named:
        _costs(table, guesses, outcome, put)
    put(
        Question(
            "purpose", "What is the prediction for, in one sentence?", NOTHING, "it stands on every page of the model"
        )
    )
    put(
        Question(
            "owner",
            "Who answers for it? `team:name` or an e-mail address",
            NOTHING,
            "its alerts go there",
            problem=_no_owner,
        )
    )
    found = tuple(replace(each, facts=table) if each.name == events.name else each for each in tables)
    return Understanding(replace(events, facts=table), guesses, outcome, delay, asked, questions, found)


def _with_given_label(guesses: Guesses, asked: Mapping[str, Reply]) -> Guesses:
    """The reason of a label that was chosen among others is not that it stood on the command line."""
    label, answer = guesses.label, asked.get("label")
    if label is None or answer is None or label.why != "named on the command line":
        return guesses
    return replace(guesses, label=Guess(label.value, "as was answered"))


def _events(tables: Sequence[FoundTable], put: Callable[[Question], str]) -> FoundTable:
    if len(tables) == 1:
        return tables[0]
    with_time = [table for table in tables if any(facts.type == "datetime" for facts in table.facts.columns)]
    best = (with_time or list(tables))[0]
    sizes = ", ".join(f"{table.name} has {table.facts.rows:,} rows" for table in tables)
    name = put(
        Question(
            "events",
            "Which table has the rows that are to be scored, one for each event?",
            best.name,
            f"the largest one with a time; {sizes}",
            tuple(table.name for table in tables),
        )
    )
    return next(table for table in tables if table.name == name)


def _event_time(table: TableFacts, guesses: Guesses, put: Callable[[Question], str]) -> str | None:
    times = [facts.name for facts in table.columns if facts.type == "datetime"]
    if len(times) < 2:
        return None
    text = "Which column says when the event happened, the moment at which it is to be scored?"
    return put(Question("event_time", text, guesses.event_time.value, guesses.event_time.why, tuple(times)))


def _row_question(guesses: Guesses) -> Question:
    key = guesses.key[0]
    one = f"One row for each {' and '.join(key)}." if key[0] not in ("row_id", "change_me") else "One event."
    return Question("row", "What is one row?", one, f"its key: {guesses.key[1]}")


def _label_question(
    events: FoundTable,
    table: TableFacts,
    guesses: Guesses,
    outcomes: Sequence[OutcomeTable],
    others: Sequence[FoundTable],
) -> Question:
    refused = unusable_outcomes(events, guesses.key[0], others, outcomes)
    used = {guesses.event_time.value, *guesses.key[0]}
    columns = [facts.name for facts in table.columns if facts.name not in used and facts.type != "datetime"]
    best = max(outcomes, key=lambda item: item.row_is_outcome, default=None)
    text = "What is to be predicted? A column" + (", or a table that says what became of an event" if outcomes else "")
    few_first = sorted(columns, key=lambda name: table.column(name).distinct != 2)
    choices = (*(each.choice for each in outcomes), *few_first)
    if guesses.label is None and best is not None:
        return Question("label", text, best.choice, best.why, choices, refused=refused)
    if guesses.label is not None:
        return Question("label", text, guesses.label.value, guesses.label.why, choices, refused=refused)
    pairs = [facts.name for facts in table.columns if facts.name in columns and facts.distinct == 2]
    why = "no column is named like an outcome" + (f"; with two values: {', '.join(pairs)}" if pairs else "")
    return Question("label", text, NOTHING, "; ".join([why, *refused.values()]), choices, refused=refused)


def _delay(outcome: OutcomeTable | None, put: Callable[[Question], str]) -> int:
    text = "How many days after the event is the answer known?"
    if outcome is None:
        why = "it stands in the same row, as if it were known at once; a model that learns from answers too early looks too good"
        return int(put(Question("known_after_days", text, "0", why, problem=_no_days)))
    tail = f"99 of 100 within {outcome.usual_days}"
    why = f"measured from {outcome.time} of {outcome.table.name}: {tail}, by the midnight after"
    least = max(1, outcome.complete_days)
    return int(put(Question("known_after_days", text, str(least), why, problem=_no_days_at_least_one)))


def _left_out_question(table: TableFacts, guesses: Guesses, outcome: OutcomeTable | None) -> Question:
    label = None if outcome is not None or guesses.label is None else guesses.label.value
    used = {guesses.event_time.value, *guesses.key[0], label}
    leaks = [item.value for item in guesses.left_out if is_leak(item)]
    why = (
        "they know the answer, or are another model's"
        if leaks
        else "no column gives the answer away; only you know what is filled in later"
    )
    choices = tuple(facts.name for facts in table.columns if facts.name not in used)
    text = "Which columns are not known yet at the event (names with commas between, Enter for the guess)?"
    return Question("not_known_then", text, ", ".join(leaks), why, choices, is_list=True)


def is_leak(item: Guess) -> bool:
    """Whether a column is left out because nobody has it at the event."""
    return item.why.startswith(("knows", "this column is another", "not known"))


def _costs(table: TableFacts, guesses: Guesses, outcome: OutcomeTable | None, put: Callable[[Question], str]) -> None:
    """What a wrong decision costs; the threshold follows from both."""
    if outcome is None and guesses.label is not None:
        share = float(table.frame[guesses.label.value].cast(bool).mean() or 0.0)  # type: ignore[arg-type]
    else:
        share = 0.0 if outcome is None else outcome.rows / max(1, table.frame.height)
    rare = f"{share:.1%} of the rows are cases; " if share else ""
    why = rare + "without it an alarm is raised at 0.5, which is right where both mistakes cost the same"
    missed = put(Question("missed", "What does a case cost that nobody noticed?", NOTHING, why, problem=_no_amount))
    if missed != NOTHING:
        why = "an alarm is worth it from a probability of (false alarm) / (false alarm + missed case) on"
        put(Question("false_alarm", "What does a false alarm cost, in the same money?", "1", why, problem=_no_amount))


def _no_amount(answer: str) -> str:
    try:
        return "" if answer == NOTHING or float(answer) > 0 else "an amount above 0, or nothing"
    except ValueError:
        return f"{answer!r} is no amount: write it as 250 or 12.5"


def _no_days(answer: str) -> str:
    return (
        ""
        if answer.isascii() and answer.isdigit() and int(answer) <= LATEST_DAYS
        else f"{answer!r} is no number of days"
    )


def _no_days_at_least_one(answer: str) -> str:
    return _no_days(answer) or ("" if int(answer) >= 1 else "at least 1: an outcome counts from the midnight after it")


def _no_owner(answer: str) -> str:
    is_one = answer == NOTHING or (answer.startswith("team:") and len(answer) > 5) or "@" in answer.strip("@")
    return "" if is_one else f"{answer!r} is neither `team:name` nor an e-mail address"


def threshold_of(understanding: Understanding) -> str:
    """The probability from which an alarm costs less than it saves; nothing where nobody said what mistakes cost."""
    missed, false_alarm = understanding.value("missed"), understanding.value("false_alarm")
    if missed == NOTHING or false_alarm == NOTHING:
        return NOTHING
    return f"{float(false_alarm) / (float(false_alarm) + float(missed)):.3g}"


def facts_of_label(understanding: Understanding) -> ColumnFacts | None:
    """The label's column where it is one of the events."""
    label = understanding.label
    if label is None or understanding.outcome is not None:
        return None
    return understanding.events.facts.column(label)


def usable(question: Question, answer: str) -> str:
    """The answer, without blanks around it.

    Raises:
        OnboardingError: it cannot be used; the message names the question and what is wrong.
    """
    meant = _as_declared(question, answer.strip())
    wrong = question.wrong_with(meant)
    if wrong:
        raise OnboardingError(f"the answer to `{question.key}` ({question.text}) cannot be used: {wrong}")
    return meant


def _as_declared(question: Question, answer: str) -> str:
    """The answer with the names of columns as they are declared, for somebody who types them as the file has them."""
    if not question.choices or answer in question.choices or answer == NOTHING:
        return answer
    names = listed(answer) if question.is_list else [answer]
    known = [name if name in question.choices else next(iter(declared_names([name]).values())) for name in names]
    return ", ".join(one if one in question.choices else name for one, name in zip(known, names, strict=True))
