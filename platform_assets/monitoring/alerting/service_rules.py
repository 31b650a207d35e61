"""Alerts of a service that answers requests: its objectives, its online store, its prediction log, its processes.

Belongs here: what follows from `monitoring.objectives` and from the service's own metrics. Does not belong here: the statistics
(`burn_rates.py`), or data, models and runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.alerting import SLOW_SHARES
from platform_assets.monitoring.alerting.alerts import (
    PAGE,
    TICKET,
    Alert,
    Recording,
    RuleGroup,
    ShareRule,
    Threshold,
    series,
)
from platform_assets.monitoring.alerting.burn_rates import WINDOWS, BurnRule, BurnWindow

REQUESTS = "platform_assets_requests_total"
LATENCY = "platform_assets_prediction_seconds"
ANSWERED, FAILED = "answered", "failed"
SHORT_INTERVAL, LONG_INTERVAL = "15s", "5m"
_RECORDED_LONG = "3d"


@dataclass(frozen=True)
class _Objective:
    """An objective with what is counted for it.

    Attributes:
        alert: start of the alerts' names.
        budget: share of requests that may fail it.
        bad: name of the recorded series with failures, without the window.
        counted: the same of all requests.
        bad_expression: failures over a window `{w}`, in PromQL.
        counted_expression: the same of all requests.
        what: what failed, for people.
        promise: the objective, for people.
        action: what to do.
        portable: failures, and what counts all requests, as thresholds of other stacks.
    """

    alert: str
    budget: float
    bad: str
    counted: str
    bad_expression: str
    counted_expression: str
    what: str
    promise: str
    action: str
    portable: tuple[Threshold, tuple[Threshold, ...]] | None


def grown(selector: str, window: str = "{w}") -> str:
    """How far counters grew over a window, in whole numbers: those of ended processes included, from zero again where one began anew.

    `increase` guesses what was beyond the first and last sample; for an exact test of small counts a guess is no count.
    """
    return f"sum(last_over_time({selector}[{window}]) - min_over_time({selector}[{window}]))"


def _availability(use_case: UseCase) -> _Objective:
    of = {"use_case": use_case.name}
    promised = use_case.monitoring.objectives.availability
    failed, answered = ({**of, "outcome": outcome} for outcome in (FAILED, ANSWERED))
    return _Objective(
        alert="ErrorBudget",
        budget=round(1 - promised, 12),
        bad="platform_assets:failed_requests",
        counted="platform_assets:valid_requests",
        bad_expression=grown(series(REQUESTS, failed)),
        counted_expression=f"{grown(series(REQUESTS, failed))} + {grown(series(REQUESTS, answered))}",
        what="requests were answered 5xx",
        promise=f"{promised * 100:.12g} % of the requests answered",
        action=f"`platform-assets status`, then the log of the service that it names; `platform-assets rollout status {use_case.name}`: "
        "did a new version come in?",
        portable=(
            Threshold(REQUESTS, labels=failed, reading="increase"),
            (
                Threshold(REQUESTS, labels=failed, reading="increase"),
                Threshold(REQUESTS, labels=answered, reading="increase"),
            ),
        ),
    )


def _latencies(use_case: UseCase) -> Iterator[_Objective]:
    of = {"use_case": use_case.name}
    for percentile, milliseconds in use_case.monitoring.objectives.latency_ms.items():
        bucket = series(f"{LATENCY}_bucket", {**of, "le": repr(milliseconds / 1000)})
        everything = grown(series(f"{LATENCY}_count", of))
        yield _Objective(
            alert="LatencyBudget",
            budget=SLOW_SHARES[percentile],
            bad=f"platform_assets:slower_than_{milliseconds}_ms_requests",
            counted="platform_assets:answered_requests",
            bad_expression=f"{everything} - {grown(bucket)}",
            counted_expression=everything,
            what=f"answers took more than {milliseconds} ms",
            promise=f"{percentile} within {milliseconds} ms",
            action="`platform-assets status` names processes and store; look at the machine's load, the online store's latency and "
            f"`platform-assets rollout status {use_case.name}`.",
            portable=None,
        )


def objective_groups(use_case: UseCase, labels: dict[str, str]) -> list[RuleGroup]:
    """Recorded counts and alerts of all objectives: windows of minutes and hours often, of days seldom."""
    objectives = [_availability(use_case), *_latencies(use_case)]
    short = [window for window in WINDOWS if window.length != _RECORDED_LONG]
    long = [window for window in WINDOWS if window.length == _RECORDED_LONG]
    return [
        _group(f"{use_case.name}_objectives", SHORT_INTERVAL, use_case, objectives, short, labels),
        _group(f"{use_case.name}_objectives_of_days", LONG_INTERVAL, use_case, objectives, long, labels),
    ]


def _group(
    name: str,
    interval: str,
    use_case: UseCase,
    objectives: list[_Objective],
    windows: list[BurnWindow],
    labels: dict[str, str],
) -> RuleGroup:
    lengths = dict.fromkeys(length for window in windows for length in (window.length, window.recovery) if length)
    recordings = {}
    for objective in objectives:
        for length in lengths:
            for record, text in (
                (objective.bad, objective.bad_expression),
                (objective.counted, objective.counted_expression),
            ):
                recordings[f"{record}:over_{length}"] = text.replace("{w}", length)
        for window in windows:
            if window.recovery is not None:
                recordings[_recovered(objective, window)] = _recovery(use_case, objective, window)
    alerts = [_burn_alert(use_case, objective, window) for objective in objectives for window in windows]
    recorded = tuple(Recording(record, text) for record, text in recordings.items())
    return RuleGroup(name, interval, recorded, tuple(alerts), labels)


def _counts(use_case: UseCase, objective: _Objective, length: str) -> tuple[str, str]:
    """The recorded failures and requests of a window."""
    of = {"use_case": use_case.name}
    return series(f"{objective.bad}:over_{length}", of), series(f"{objective.counted}:over_{length}", of)


def _recovered(objective: _Objective, window: BurnWindow) -> str:
    return f"{objective.bad}:recovered_from_{window.length}"


def _recovery(use_case: UseCase, objective: _Objective, window: BurnWindow) -> str:
    record = series(_recovered(objective, window), {"use_case": use_case.name})
    whole = _counts(use_case, objective, window.length)
    recent = _counts(use_case, objective, window.recovery or "")
    failed_last_minute, _ = _counts(use_case, objective, WINDOWS[0].length)
    return BurnRule(objective.budget, window).recovery_expression(record, whole, recent, failed_last_minute)


def _burn_alert(use_case: UseCase, objective: _Objective, window: BurnWindow) -> Alert:
    rule = BurnRule(objective.budget, window)
    failed, counted = _counts(use_case, objective, window.length)
    recovered = ""
    if window.recovery is not None:
        recovered = series(_recovered(objective, window), {"use_case": use_case.name})
    expression = rule.expression(failed, counted, recovered)
    share = None
    if objective.portable is not None and window.factor > 1:
        portable_failed, portable_counted = objective.portable
        share = ShareRule(
            portable_failed, portable_counted, window.factor * objective.budget, rule.sufficient_failures, window.length
        )
    return Alert(
        name=f"{objective.alert}{'Burning' if window.severity == PAGE else 'Overspent'}",
        group="serving",
        severity=window.severity,
        summary=f"{use_case.name}: {{{{ $value }}}} {objective.what} in {window.length}",
        description=f"Promised is {objective.promise}. So many failures in {window.length} have a probability of at most "
        f"{window.alpha:g} while the promise is kept, and their share is at least {window.factor:g} times what may fail.",
        action=objective.action,
        expression=expression,
        keep="5m" if window.severity == PAGE else "",
        labels={"window": window.length, "objective": objective.promise},
        share=share,
    )


def service_group(use_case: UseCase, labels: dict[str, str]) -> RuleGroup:
    """Alerts about what a service counts, and about its being there at all."""
    alerts = (*_counted(use_case), *_there(use_case))
    return RuleGroup(f"{use_case.name}_service", SHORT_INTERVAL, (), alerts, labels)


def _counted(use_case: UseCase) -> Iterator[Alert]:
    name, of = use_case.name, {"use_case": use_case.name}

    def counter(metric: str, *by: str) -> Threshold:
        return Threshold(f"platform_assets_{metric}", labels=of, by=by, reading="increase")

    many = "{{ $value | humanize }}"
    yield Alert(
        "OnlineStoreDoesNotAnswer", "serving", PAGE,
        f"{name}: the online store did not answer {many} calls in 5 minutes",
        "Requests are answered by the declared fallback, or refused with 503.",
        "Check the store and its network. A store that lost its data (operation \"lost\") is filled again by "
        f"`platform-assets run {name}`.",
        counter("store_failures_total"),
    )  # fmt: skip
    yield Alert(
        "FeaturesNotComputed", "serving", PAGE,
        f"{name}: {many} requests were not scored in 5 minutes: a feature's {{{{ $labels.failed }}}} failed",
        "The online store is well; a declared function or a row expression failed for requests, which were answered 500.",
        "The service's log names the feature; go back to the release before, or mend what it names.",
        counter("feature_failures_total", "failed"),
    )  # fmt: skip
    yield Alert(
        "PredictionsWithoutHistory", "serving", PAGE,
        f"{name}: {many} predictions were made without history in 5 minutes",
        "Customers are decided on with less than the model was trained on.",
        "Mend the online store, then replay the events.",
        counter("fallback_predictions_total"),
    )  # fmt: skip
    yield Alert(
        "PredictionLogTakesNoLines", "serving", PAGE,
        f"{name}: {many} requests were refused in 5 minutes: the prediction log took no line",
        "Nothing is answered that is not logged.",
        "Make room on the log's disk, or let the service write to its folder again.",
        counter("prediction_log_refused_total"),
    )  # fmt: skip
    yield Alert(
        "EventsNotRecorded", "serving", TICKET,
        f"{name}: {many} pieces of work of queue {{{{ $labels.queue }}}} failed in 5 minutes",
        "Answers were given; what they leave behind was not written.",
        "The service's log says why. Events come into the store with the stream or the next batch state.",
        counter("background_failures_total", "queue"),
    )  # fmt: skip
    yield Alert(
        "WorkDropped", "serving", PAGE,
        f"{name}: {many} pieces of work of queue {{{{ $labels.queue }}}} were dropped in 5 minutes",
        "The service takes more requests than it can log.",
        "Give it more processes (`serving.processes`).",
        counter("background_dropped_total", "queue"),
    )  # fmt: skip


def _there(use_case: UseCase) -> Iterator[Alert]:
    name, of = use_case.name, {"use_case": use_case.name}
    served = series("platform_assets_release_info", of)
    yield Alert(
        "ServiceGone", "serving", PAGE,
        f"{name}: no process answers with its metrics",
        "There was a release within the last day, and now nothing serves it, or Prometheus does not reach the address.",
        "`platform-assets status`, then `platform-assets target status`; `make run` brings it back.",
        threshold=Threshold("platform_assets_release_info", labels=of, reading="absent"),
        expression=f"group(present_over_time({served}[1d])) unless group({served})",
        hold="15s",
    )  # fmt: skip
    yield Alert(
        "ProcessDown", "serving", TICKET,
        f"{name}: process {{{{ $labels.process }}}} does not answer",
        "The others answer for it; with none left callers are refused.",
        "`platform-assets target status` names it and its log.",
        Threshold(
            "platform_assets_process_up", 1, labels=of, by=("arm", "process"), reading="lowest", operator="<"
        ),
        hold="15s",
    )  # fmt: skip
