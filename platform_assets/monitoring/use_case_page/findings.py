"""What is wrong with a use case, and what is fine: pure rules over its state.

Belongs here: one function for each subject, each finding with since when, why and the next command. Does not belong here: reading the
state (`pipelines/use_case_state/`), or telling anybody.

What did not run is red: silence is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from platform_assets.monitoring.use_case_page.operation_findings import (
    automation_findings,
    check_findings,
    run_findings,
)
from platform_assets.monitoring.use_case_page.state import (
    SEVERITIES,
    Severity,
    StateFinding,
    UseCaseState,
    WindowState,
)
from platform_assets.pictures.numbers import count, duration, percent, quantity

MOST_ERRORS_RATIO = 0.01
"""Share of requests that were not scored for the service's own reasons from which on somebody is needed now."""
ASSETS = {
    "drift": "retrain_decision",
    "quality": "retrain_decision",
    "estimate": "estimated_quality",
    "measures": "business_measures",
}
"""Where more of a monitor's verdict stands: whether a new model was asked for, or why an estimate is withdrawn."""
ROLLOUT_WAITS_HOURS = 48.0
"""A stage that lasts longer is worth a look."""

Rule = Callable[[UseCaseState], Iterator[StateFinding]]


def findings_of(state: UseCaseState) -> tuple[StateFinding, ...]:
    """Everything that was found, the worst first; among equals that which began first.

    A use case that was declared and never begun is told so, and misses nothing.
    """
    if _never_begun(state):
        return (_BEGIN.model_copy(update={"next_command": f"platform-assets run {state.use_case}"}),)
    found = [finding for rule in RULES for finding in rule(state)]
    late = datetime.max.replace(tzinfo=UTC)
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.since or late)))


def _never_begun(state: UseCaseState) -> bool:
    """Nothing of it was ever made, nor tried."""
    known = state.operations
    made = (
        state.newest_event,
        state.champion,
        state.series,
        state.windows,
        known.checks,
        known.failed_runs,
        known.runs,
    )
    deployed = state.service is not None and state.service.version is not None
    return not deployed and not any(made)


_BEGIN = StateFinding(
    severity="yellow", what="Nothing was loaded yet", why="The use case is declared and was never run."
)


def with_findings(state: UseCaseState) -> UseCaseState:
    """The same state, judged."""
    return state.model_copy(update={"findings": findings_of(state)})


def _service(state: UseCaseState) -> Iterator[StateFinding]:
    service = state.service
    run = f"platform-assets run {state.use_case}"
    if not state.is_realtime or service is None:
        return
    if service.version is None:
        if state.champion is not None:
            yield StateFinding(
                severity="red",
                what="Nothing answers at the address",
                since=state.champion.since,
                why=f"Version {state.champion.version} is champion and no release has any traffic.",
                next_command=run,
            )
        return
    status = "platform-assets status"
    for problem in service.problems:
        yield StateFinding(severity="red", what="The target has a problem", why=problem, next_command=status)
    if service.ready < service.processes:
        severity: Severity = "red" if service.ready == 0 else "yellow"
        why = f"{service.ready} of {service.processes} processes are ready."
        what = "No process of the service is ready" if service.ready == 0 else "Some processes are not ready"
        yield StateFinding(severity=severity, what=what, why=why, next_command=status)
    if service.requests is None:
        yield StateFinding(
            severity="red",
            what="The service does not say how it answers",
            why=f"{service.address}/metrics gave no metrics.",
            next_command=f"curl {service.address}/metrics",
        )
        return
    yield from _errors(state)
    yield from _another_version(state)
    if service.ready and service.ready == service.processes and not service.problems:
        p50, p99 = (quantity(value, "milliseconds") for value in (service.p50_ms, service.p99_ms))
        speed = f", median {p50}, p99 {p99}" if service.requests else ""
        yield StateFinding(
            severity="ok",
            what="The service answers",
            why=f"{count(service.requests)} requests since its processes started{speed}.",
        )


def _another_version(state: UseCaseState) -> Iterator[StateFinding]:
    champion, service = state.champion, state.service
    rolling_out = state.rollout is not None and not state.rollout.over
    if champion is None or service is None or rolling_out or service.model_version in (None, champion.version):
        return
    yield StateFinding(
        severity="red",
        what="The address serves another version than the champion",
        since=champion.since,
        why=f"Version {service.model_version} answers, version {champion.version} is champion.",
        next_command=f"platform-assets run {state.use_case}",
    )


def _errors(state: UseCaseState) -> Iterator[StateFinding]:
    service = state.service
    if service is None or not service.errors:
        return
    asked = (service.requests or 0) + service.errors
    ratio = service.errors / asked
    yield StateFinding(
        severity="red" if ratio > MOST_ERRORS_RATIO else "yellow",
        what="Requests were not scored",
        why=f"{count(service.errors)} of {count(asked)} requests ({percent(ratio)}) since the processes started.",
        next_command=f"curl {service.address}/metrics",
    )


def _data(state: UseCaseState) -> Iterator[StateFinding]:
    check = f"platform-assets sources check {state.use_case}"
    if state.newest_event is None or state.lag_seconds is None:
        yield StateFinding(
            severity="red",
            what="No event was ever published",
            why="The table of events is empty or was never made.",
            next_command=f"platform-assets run {state.use_case}",
        )
        return
    hours = state.lag_seconds / 3600
    newest = f"The newest event is of {state.newest_event:%Y-%m-%d %H:%M} UTC, {duration(state.lag_seconds)} ago"
    if state.history_ends is not None and state.newest_event.date() >= state.history_ends - timedelta(days=1):
        yield StateFinding(
            severity="ok", what="All events of the declared history are there", why=f"It ends on {state.history_ends}."
        )
    elif state.history_ends is not None and state.now.date() > state.history_ends:
        if not state.operations.due:  # else what lacks is told by job
            yield StateFinding(
                severity="yellow",
                what="The declared history is not loaded to its end",
                why=f"The newest event is of {state.newest_event:%Y-%m-%d}, the history ends on {state.history_ends}.",
                next_command=f"platform-assets run {state.use_case}",
            )
    elif hours > state.freshness_warn_hours:
        failed = hours > state.freshness_fail_hours
        limit = state.freshness_fail_hours if failed else state.freshness_warn_hours
        yield StateFinding(
            severity="red" if failed else "yellow",
            what="Events are late",
            since=state.newest_event + timedelta(hours=limit),
            why=f"{newest}; declared are at most {limit:g} h.",
            next_command=check,
        )
    else:
        yield StateFinding(severity="ok", what="Events arrive", why=f"{newest}.")
    for source in state.sources:
        if source.refused_rows:
            asked = source.rows + source.refused_rows
            yield StateFinding(
                severity="yellow",
                what=f"Rows of {source.name} were refused",
                since=_midnight(source.newest_day),
                why=f"{count(source.refused_rows)} of {count(asked)} rows of {source.newest_day} are in quarantine.",
                next_command=f"platform-assets quarantine list {state.use_case} {source.name}",
            )


def _windows(state: UseCaseState) -> Iterator[StateFinding]:
    drift = state.window("drift")
    if drift is not None:
        rules: dict[str, tuple[Severity, str]] = {
            "ok": ("ok", "Requests look like those that the model learned from"),
            "drift": ("yellow", "Requests have drifted"),
            "broken": ("red", "Columns of the requests are broken"),
        }
        severity, what = rules.get(drift.status, ("red", "Drift could not be judged"))
        yield _window(state, drift, severity, what)
    quality = state.window("quality")
    if quality is not None:
        what = {"ok": "The model keeps its quality", "violated": "The model has lost quality"}.get(
            quality.status, "Quality could not be judged"
        )
        yield _window(state, quality, "ok" if quality.passed else "red", what)
    measures = state.window("measures")
    if measures is not None:
        what = {"ok": "Business measures keep their bounds", "violated": "A business measure lies past its bound"}.get(
            measures.status, "Business measures could not be judged"
        )
        yield _window(state, measures, "ok" if measures.passed else "red", what)
    estimate = state.window("estimate")
    if estimate is not None:
        rules = {
            "ok": ("ok", "Estimated quality keeps its bound"),
            "violated": ("red", "Quality is estimated below its bound"),
            "withdrawn": ("yellow", "The estimate of quality is withdrawn"),
        }
        severity, what = rules.get(estimate.status, ("yellow", "Quality could not be estimated"))
        yield _window(state, estimate, severity, what)


def _window(state: UseCaseState, window: WindowState, severity: Severity, what: str) -> StateFinding:
    why, champion = window.explanation, state.champion
    if window.status in ("violated", "withdrawn") and champion and window.model_version not in ("", champion.version):
        severity = "yellow"  # somebody was needed, and a new model was the answer
        why += f" Version {window.model_version} answered then; version {champion.version} is champion now and will be judged by itself."
    return StateFinding(
        severity=severity,
        what=f"{what} (window up to {window.day})",
        since=None if severity == "ok" else _midnight(window.since),
        why=why,
        next_command=""
        if severity == "ok"
        else f"make dev, asset {state.use_case}/monitoring/{ASSETS[window.monitor]}",
    )


def _models(state: UseCaseState) -> Iterator[StateFinding]:
    champion = state.champion
    if not state.is_trained_here:
        return
    if champion is None:
        yield StateFinding(
            severity="red",
            what="There is no champion",
            why="No version passed its gates and was promoted.",
            next_command=f"platform-assets models list {state.use_case}",
        )
        return
    last = state.now.date() if state.history_ends is None else min(state.now.date(), state.history_ends)
    age = (last - champion.as_of).days if champion.as_of is not None else 0
    if age > 2 * state.train_every_days and champion.as_of is not None:
        yield StateFinding(
            severity="yellow",
            what="The champion is old",
            since=_midnight(champion.as_of + timedelta(days=2 * state.train_every_days)),
            why=f"Trained as of {champion.as_of}, {count(age)} days ago; a model is trained every {state.train_every_days} days.",
            next_command=f"platform-assets models list {state.use_case}",
        )
    else:
        as_of = f", trained as of {champion.as_of}" if champion.as_of else ""
        yield StateFinding(
            severity="ok",
            what=f"Version {champion.version} is champion",
            since=champion.since,
            why=f"It was {(champion.by or 'promoted').replace('_', ' ')}{as_of}.",
        )


def _decision(state: UseCaseState) -> Iterator[StateFinding]:
    decision = state.decision
    words: dict[str, tuple[Severity, str]] = {
        "given_up": ("red", "No new model is asked for any more: trainings failed too often"),
        "mend": ("red", "The data is at fault: a new model would learn it"),
        "train": ("yellow", "A new model was asked for"),
    }
    if decision is not None and decision.verdict in words:
        severity, what = words[decision.verdict]
        yield StateFinding(
            severity=severity,
            what=f"{what} (as of {decision.as_of})",
            since=_midnight(decision.as_of),
            why=decision.reason,
            next_command=f"make dev, asset {state.use_case}/monitoring/retrain_decision",
        )


def _rollout(state: UseCaseState) -> Iterator[StateFinding]:
    rollout = state.rollout
    if rollout is None:
        return
    command = f"platform-assets rollout status {state.use_case}"
    if rollout.over:
        if rollout.outcome == "aborted" and (state.champion is None or not _after(state.champion.since, rollout.since)):
            yield StateFinding(
                severity="yellow",
                what=f"The rollout of {rollout.new} was aborted",
                since=rollout.since,
                why=rollout.sentence,
                next_command=command,
            )
        return
    waited = (state.made_at - rollout.since).total_seconds() / 3600 if rollout.since else 0.0
    stuck = waited > ROLLOUT_WAITS_HOURS or rollout.outcome == "held"
    yield StateFinding(
        severity="yellow" if stuck else "ok",
        what=f"{rollout.new} is being rolled out" + (" and does not move" if stuck else ""),
        since=rollout.since,
        why=f"Stage {rollout.stage}, {rollout.weight_percent} % of the requests. {rollout.sentence}",
        next_command=command if stuck else "",
    )


def _after(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other


def _alerts(state: UseCaseState) -> Iterator[StateFinding]:
    for alert in state.alerts or ():
        yield StateFinding(
            severity="red" if alert.severity == "page" else "yellow",
            what=f"Alert {alert.name} is firing",
            since=alert.since,
            why=alert.summary or "It has no summary.",
            next_command=alert.runbook or "docs/operations/runbooks.md",
        )


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


RULES: tuple[Rule, ...] = (
    _service,
    _alerts,
    _windows,
    _data,
    check_findings,
    run_findings,
    automation_findings,
    _decision,
    _rollout,
    _models,
)
