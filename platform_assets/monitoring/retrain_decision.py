"""The decision of one day: is a model asked for, and if not, what is done instead?

Belongs here: pure rules over windows, requests and the model that serves, and what other settings would have said. Does not belong here:
persistence and cooldown (`retrain_verdict.py`), reading windows (`pipelines/retrain.py`), starting a run (`orchestration/sensors.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

from platform_assets.declaration.sections.serving import RetrainRule
from platform_assets.monitoring.retrain_verdict import (
    RequestedRetrain,
    RetrainVerdict,
    WindowVerdict,
    retrain_verdict,
)

DecisionKind = Literal["train", "mend", "given_up", "wait", "nothing"]
"""`train`: a model is asked for. `mend`: the data is at fault, and training is no answer. `given_up`: so many trainings failed that people
have to look. `wait`: something is wrong, and it is not yet time. `nothing`: nothing is wrong, or nothing was judged."""

_URGENCY: tuple[DecisionKind, ...] = ("mend", "train", "given_up", "wait", "nothing")
_REMEMBERED_WINDOWS = 90
REPLAYED_DAYS = 30


@dataclass(frozen=True, slots=True)
class RetrainEvidence:
    """What a decision is made from.

    Attributes:
        as_of: the day; known is what is known at its beginning.
        windows: of each monitor (`quality`, `drift`), those that were judged, named by the day that they were known as of.
        requested: earlier requests.
        model_version: the champion; None takes the model of each monitor's latest window.
        label_delay_days: how long labels take: of windows that are judged without them, as drift is.
    """

    as_of: date
    windows: Mapping[str, Sequence[WindowVerdict]]
    requested: Sequence[RequestedRetrain] = ()
    model_version: str | None = None
    label_delay_days: int = 0


@dataclass(frozen=True, slots=True)
class DecisionOfDay:
    """What is done about a day.

    Attributes:
        kind: the decision.
        cause: stable key of what it is about; empty when nothing is wrong.
        reason: one sentence for people for each monitor that says something.
        attempt: of a request, how manieth for its cause, from 1; else 0.
        failed: trainings that were asked for in this episode and failed.
    """

    kind: DecisionKind
    cause: str
    reason: str
    attempt: int = 0
    failed: int = 0


@dataclass(frozen=True)
class OtherSettings:
    """What other settings would have said.

    Attributes:
        name: what is different, in the declaration's words.
        asked: the days on which they would have asked for a model.
    """

    name: str
    asked: tuple[date, ...] = field(default_factory=tuple)


def decide_day(evidence: RetrainEvidence, rule: RetrainRule) -> DecisionOfDay:
    """The decision as of a day.

    Each monitor is judged by itself, for quality of a day is known a label delay after its drift. Only windows of the model that serves
    count: with a new champion an episode is over, and what drifts from what that one knows is a new one. A window that is not as of this
    day decides nothing.

    Args:
        evidence: what is known.
        rule: the declared rule.

    Raises:
        VerdictError: a history that cannot be judged.
    """
    answers = [
        _of_monitor(monitor, _of_the_model(windows, evidence), evidence, rule)
        for monitor, windows in evidence.windows.items()
    ]
    if not answers:
        return DecisionOfDay("nothing", "", "Nothing was judged.")
    first = min(answers, key=lambda answer: _URGENCY.index(answer.kind))
    if first.kind in ("train", "mend"):
        return first
    return replace(first, reason=" ".join(answer.reason for answer in answers))


def replay_settings(evidence: RetrainEvidence, rule: RetrainRule, days: int = REPLAYED_DAYS) -> list[OtherSettings]:
    """The days among the last ones on which the declared and other settings would have asked, each as if its own trainings succeeded.

    Args:
        evidence: as of the last of the days; requests of those days are left out.
        rule: the declared rule.
        days: how many.
    """
    return [OtherSettings(name, tuple(_asked(evidence, other, days))) for name, other in _other_rules(rule).items()]


def _other_rules(rule: RetrainRule) -> dict[str, RetrainRule]:
    rules = {"as declared": rule}
    fewer, longer = max(1, rule.violations - 1), max(rule.of_last, rule.violations + 1)
    rules[f"violations: {fewer}"] = rule.model_copy(update={"violations": fewer})
    rules[f"violations: {rule.violations + 1}, of_last: {longer}"] = rule.model_copy(
        update={"violations": rule.violations + 1, "of_last": longer}
    )
    for name, value in {"labelled_days": 0, "cooldown_days": 2 * rule.cooldown_days}.items():
        rules[f"{name}: {value:g}"] = rule.model_copy(update={name: value})
    return {name: other for name, other in rules.items() if name == "as declared" or other != rule}


def _asked(evidence: RetrainEvidence, rule: RetrainRule, days: int) -> Iterator[date]:
    first = evidence.as_of - timedelta(days=days - 1)
    requested = [one for one in evidence.requested if one.day < first]
    for offset in range(days):
        day = first + timedelta(days=offset)
        decision = decide_day(replace(evidence, as_of=day, requested=requested, model_version=None), rule)
        if decision.kind == "train":
            requested.append(RequestedRetrain(decision.cause, day))
            yield day


def _of_the_model(windows: Sequence[WindowVerdict], evidence: RetrainEvidence) -> list[WindowVerdict]:
    """The latest windows that are of the model that serves, without a gap in between."""
    known = sorted((window for window in windows if window.day <= evidence.as_of), key=lambda window: window.day)
    version = evidence.model_version or (known[-1].model_version if known else "")
    found: list[WindowVerdict] = []
    for window in reversed(known[-_REMEMBERED_WINDOWS:]):
        if window.model_version and version and window.model_version != version:
            break
        found.append(window)
    return found[::-1]


def _of_monitor(
    monitor: str, windows: Sequence[WindowVerdict], evidence: RetrainEvidence, rule: RetrainRule
) -> DecisionOfDay:
    if not windows:
        which = f" of version {evidence.model_version}" if evidence.model_version else ""
        return DecisionOfDay("nothing", "", f"{monitor}: no window{which} has been judged yet.")
    latest = windows[-1]
    if latest.day < evidence.as_of:
        text = f"{monitor}: nothing was judged as of {evidence.as_of}; the latest window is as of {latest.day}."
        return DecisionOfDay("nothing", "", text)
    if latest.defects:
        text = f"{monitor}: {'; '.join(latest.defects)}. Mend the data: a new model would learn the fault."
        return DecisionOfDay("mend", f"defect:{monitor}", text)
    past = [one for one in evidence.requested if one.day <= evidence.as_of]
    verdict = retrain_verdict(windows, rule, [one for one in past if not one.failed])
    if not verdict.retrain:
        kind: DecisionKind = "wait" if latest.violated or latest.noticed else "nothing"
        noticed = f" On the newest day alone {', '.join(latest.noticed)} moved." if latest.noticed else ""
        return DecisionOfDay(kind, verdict.cause, f"{monitor}: {verdict.reason}{noticed}")
    return _in_time(monitor, verdict, past, evidence, rule)


def _in_time(
    monitor: str,
    verdict: RetrainVerdict,
    past: Sequence[RequestedRetrain],
    evidence: RetrainEvidence,
    rule: RetrainRule,
) -> DecisionOfDay:
    """What persists asks now, unless its trainings fail, or no label of what moved is known."""
    began = date.fromisoformat(verdict.cause.rpartition("@")[2])
    failures = [one.day for one in past if one.failed and one.day >= began]
    failed, said = len(failures), f"{monitor}: {verdict.reason}"
    if failed >= rule.max_attempts:
        text = f"{said} {failed} trainings that were asked for failed, the last as of {max(failures)}: no further one is asked for. "
        text += "Look at those runs; a model that is trained by hand, or `monitoring.retrain.max_attempts`, ends this."
        return DecisionOfDay("given_up", verdict.cause, text, failed=failed)
    if failures:
        said += f" The training that was asked for as of {max(failures)} failed"
        again = max(failures) + timedelta(days=2 ** (failed - 1))
        if evidence.as_of < again:
            return DecisionOfDay("wait", verdict.cause, f"{said}; the next is asked for as of {again}.", failed=failed)
        said += "."
    if monitor == "drift":
        # A window that was known as of a day ended the day before, and its labels come a delay after that.
        enough = began + timedelta(days=max(0, evidence.label_delay_days + rule.labelled_days - 1))
        if rule.labelled_days and evidence.as_of < enough:
            text = (
                f"{said} A model is asked for as of {enough}, when {rule.labelled_days} days of it have their labels."
            )
            return DecisionOfDay("wait", verdict.cause, text, failed=failed)
    return DecisionOfDay("train", verdict.cause, said, attempt=failed + 1, failed=failed)
