"""The rules that are compared, each over the same windows: as declared, the rule before it, every week, never.

Belongs here: what each asks on a day. Does not belong here: windows (`replay.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.retrain.replay import (
    Memory,
    Model,
    Row,
    Year,
    drift_row,
    is_promoted,
    known_as_of,
    quality_row,
    years,
)
from benchmarks.retrain.world import HISTORY_DAYS, LABEL_DELAY_DAYS, YEAR_DAYS, Kind, date_of
from platform_assets.declaration.sections.serving import RetrainRule
from platform_assets.monitoring.retrain_decision import RetrainEvidence, decide_day
from platform_assets.monitoring.retrain_verdict import RequestedRetrain, WindowVerdict, retrain_verdict
from platform_assets.pipelines.retrain import windows_of


@dataclass
class History:
    """What was stored up to a day, by the day that it was known as of, and what was asked for."""

    drift: dict[int, Row] = field(default_factory=dict)
    quality: dict[int, Row] = field(default_factory=dict)
    requested: list[RequestedRetrain] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What a rule says as of a day.

    Attributes:
        cause: what asks for a model; empty when nothing does.
        is_said: whether anything is said to be wrong.
        is_fault: whether the data is said to be at fault.
    """

    cause: str = ""
    is_said: bool = False
    is_fault: bool = False


class Rule(Protocol):
    """Says what is asked for as of a day."""

    def __call__(self, memory: Memory, history: History, champion: Model, as_of: int) -> Answer:
        """The answer."""


def declared(memory: Memory, history: History, champion: Model, as_of: int) -> Answer:
    """The decision that is an asset, with the platform's default settings."""
    windows = windows_of(
        memory.use_case,
        {known_as_of(row, labelled=True): row for row in _last(history.quality, as_of)},
        {known_as_of(row, labelled=False): row for row in _last(history.drift, as_of)},
    )
    evidence = RetrainEvidence(date_of(as_of), windows, history.requested, champion.name, LABEL_DELAY_DAYS)
    decision = decide_day(evidence, memory.use_case.monitoring.retrain)
    cause = decision.cause if decision.kind == "train" else ""
    return Answer(cause, decision.kind != "nothing", decision.kind == "mend")


def before(memory: Memory, history: History, champion: Model, as_of: int) -> Answer:
    """The rule of before: two of the last three windows, the latest among them, once for each cause, a cooldown of a week."""
    said = False
    for rows, labelled in ((history.quality, True), (history.drift, False)):
        windows = [
            WindowVerdict(known_as_of(row, labelled=labelled), bool(row["causes"]), tuple(row["causes"]))
            for row in _last(rows, as_of)
        ]
        verdict = retrain_verdict(windows, RetrainRule(), history.requested)
        said = said or bool(windows and windows[-1].violated)
        if verdict.retrain:
            return Answer(verdict.cause, is_said=True)
    return Answer(is_said=said)


def weekly(memory: Memory, history: History, champion: Model, as_of: int) -> Answer:
    """A model each week, whatever happens."""
    return Answer("week" if (as_of - HISTORY_DAYS) % 7 == 0 else "")


def never(memory: Memory, history: History, champion: Model, as_of: int) -> Answer:
    """The first model for ever."""
    return Answer()


RULES: dict[str, Rule] = {
    "this decision": declared,
    "the rule before": before,
    "every week": weekly,
    "never": never,
}


def replay(memory: Memory, kind: Kind, rule: Rule, model_of: Callable[[int], Model] | None = None) -> Year:
    """A year under a rule; a training that is asked for as of a day serves from that day on, if it is promoted."""
    make = model_of or (lambda as_of: memory.model(kind, as_of))
    champion, served, history, year = make(HISTORY_DAYS), dict[int, Model](), History(), Year()
    drifts_on, watches = memory.world.drift_day, rule in (declared, before)
    for as_of in years():
        served[as_of - 1] = champion
        lost, oracle = memory.loss(champion, memory.world.regime(kind, as_of - 1))
        year.lost.append(lost)
        year.oracle.append(oracle)
        if watches:
            row = drift_row(memory, kind, served, as_of - 1)
            history.drift |= {as_of: row} if row is not None else {}
            row = quality_row(memory, kind, served, as_of - LABEL_DELAY_DAYS)
            history.quality |= {as_of: row} if row is not None else {}
        answer = rule(memory, history, champion, as_of)
        is_after = kind != "quiet" and as_of > drifts_on
        if answer.is_said and is_after and year.noticed is None:
            year.noticed = as_of
        year.said += answer.is_said and not is_after
        year.told += [as_of] if answer.is_fault else []
        if not answer.cause or as_of == HISTORY_DAYS + YEAR_DAYS:
            continue
        year.asked.append(as_of)
        history.requested.append(RequestedRetrain(answer.cause, date_of(as_of)))
        new = make(as_of)
        if is_promoted(memory, kind, champion, new):
            champion = new
            if is_after and year.answered is None:
                year.answered = as_of
    return year


def _last(rows: dict[int, Row], as_of: int, days: int = 30) -> list[Row]:
    return [row for day, row in rows.items() if as_of - days < day <= as_of]
