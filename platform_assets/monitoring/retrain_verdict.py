"""Whether monitoring asks for a new model: once per cause, not twice within the cooldown, and not for one bad window.

Belongs here: pure rules over past windows and past requests. Does not belong here: how a window is judged (`drift`,
`quality`), and starting the run (`automation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.serving import RetrainRule
from platform_assets.monitoring.drift import DriftResult
from platform_assets.monitoring.quality import QualityResult


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """One monitoring window, named by its last day.

    Attributes:
        day: as-of day of the window; a history has each day once.
        violated: whether a new model could help.
        causes: what was violated, such as `drift:amount`, `quality:average_precision`, `label_rate:is_fraud`.
        model_version: the model that was judged; empty where nobody said.
        defects: what looks like a fault of the data, in words; a new model would learn it.
        noticed: columns that moved on the newest day alone, further than chance explains.
    """

    day: date
    violated: bool
    causes: tuple[str, ...] = ()
    model_version: str = ""
    defects: tuple[str, ...] = ()
    noticed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestedRetrain:
    """A request for a new model that was already made.

    Attributes:
        cause: key of its cause, as in `RetrainVerdict.cause`.
        day: day of the window that asked.
        failed: whether the training that it led to failed: it answers no cause, and keeps the cooldown all the same.
    """

    cause: str
    day: date
    failed: bool = False


@dataclass(frozen=True, slots=True)
class RetrainVerdict:
    """The decision.

    Attributes:
        retrain: whether to ask for a new model now.
        cause: stable key of what the decision is about, `<cause>@<first day of the episode>`; empty when the latest
            window is fine.
        reason: one sentence for people.
    """

    retrain: bool
    cause: str
    reason: str


class VerdictError(ValueError):
    """A history that cannot be judged."""


def window_verdict(day: date, drift: DriftResult | None, quality: QualityResult | None) -> WindowVerdict:
    """Combine a window's results into what retraining can answer.

    A broken column (missing, another type, stuck) and a window without a verdict fail their own checks, but are no
    cause for training: a new model would learn the defect.

    Args:
        day: as-of day of the window.
        drift: None when drift was not computed.
        quality: None when no labels are due yet.
    """
    causes: list[str] = []
    if quality is not None:
        caused = [item for item in quality.violations if item.cause != "scores"]
        causes += [f"{violation.cause}:{violation.name}" for violation in caused]
    if drift is not None:
        drifted = [verdict.column for verdict in drift.columns if verdict.status == "drift"]
        causes += [f"drift:{column.removeprefix(FEATURE_PREFIX)}" for column in drifted]
    return WindowVerdict(day, violated=bool(causes), causes=tuple(causes))


def retrain_verdict(
    history: Sequence[WindowVerdict], rule: RetrainRule, already_requested: Sequence[RequestedRetrain] = ()
) -> RetrainVerdict:
    """Decide on the latest window of a history.

    A new model is asked for when `violations` of the last `of_last` windows violate, the latest among them, no request
    was made in the last `cooldown_days` of data time, and the cause is new. A cause is an episode: windows that name
    the same cause with fewer than `of_last` steps from one to the next. A request covers every episode that had begun
    by its day, so that a drift that drags other columns and the metric along asks once.

    Args:
        history: windows in any order, each day once.
        rule: the declared rule.
        already_requested: earlier requests. One from a later day (a re-run over old days) starts a cooldown as well. One whose training
            failed covers nothing: its cause asks again after the cooldown.

    Raises:
        VerdictError: a day occurs twice, or a window is violated without a cause.
    """
    windows = sorted(history, key=lambda window: window.day)
    _check(windows)
    if not windows:
        return RetrainVerdict(False, "", "No window has been judged yet.")
    latest, recent = windows[-1], windows[-rule.of_last :]
    if not latest.violated:
        return RetrainVerdict(False, "", f"The window of {latest.day} is not violated.")
    episodes = sorted(
        (_began(cause, windows, rule.of_last), position, cause) for position, cause in enumerate(latest.causes)
    )
    keys = {_key(cause, began): began for began, _, cause in episodes}
    first_key = next(iter(keys))
    violated = sum(window.violated for window in recent)
    state = f"{violated} of the last {len(recent)} windows are violated, the latest by {', '.join(latest.causes)}"
    if violated < rule.violations:
        return RetrainVerdict(False, first_key, f"{state}; {rule.violations} of {rule.of_last} are needed.")
    fresh = [key for key, began in keys.items() if not _covered(key, began, already_requested)]
    if not fresh:
        return RetrainVerdict(False, first_key, f"{state}; a new model was already requested for this.")
    last_request = max((request.day for request in already_requested), default=None)
    failed = [request.day for request in already_requested if request.failed and request.day == last_request]
    what_became = f"; the training that was requested on {failed[0]} failed" if failed else ""
    if last_request is not None and (latest.day - last_request).days < rule.cooldown_days:
        return RetrainVerdict(
            False,
            fresh[0],
            f"{state}; the last request was on {last_request}, less than {rule.cooldown_days} days before{what_became}.",
        )
    return RetrainVerdict(True, fresh[0], f"{state}{what_became}.")


def _check(windows: Sequence[WindowVerdict]) -> None:
    for earlier, later in pairwise(windows):
        if earlier.day == later.day:
            raise VerdictError(
                f"the history has more than one window for {later.day}; keep the latest verdict of each day"
            )
    for window in windows:
        if window.violated and not window.causes:
            raise VerdictError(f"the window of {window.day} is violated but names no cause")


def _began(cause: str, windows: Sequence[WindowVerdict], of_last: int) -> date:
    """First day of the episode of `cause` that the latest window belongs to."""
    began = position = len(windows) - 1
    while position >= 0 and began - position < of_last:
        if windows[position].violated and cause in windows[position].causes:
            began = position
        position -= 1
    return windows[began].day


def _covered(key: str, began: date, requests: Sequence[RequestedRetrain]) -> bool:
    return any(request.cause == key or request.day >= began for request in requests if not request.failed)


def _key(cause: str, began: date) -> str:
    return f"{cause}@{began.isoformat()}"
