"""What is known of a use case at one moment, as one plain value that goes to JSON and back.

Belongs here: the fields, with units and what their absence means. Does not belong here: reading them (`pipelines/use_case_state/`),
judging them (`findings.py`), or showing them (`page.py`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from platform_assets.monitoring.use_case_page.state_of_operations import PlainPart, StateOfOperations

Severity = Literal["red", "yellow", "ok"]
SEVERITIES: tuple[Severity, ...] = ("red", "yellow", "ok")
"""The worst first."""


class StateFinding(PlainPart):
    """Something that was looked at, and how it is.

    Attributes:
        severity: `red` needs somebody now, `yellow` needs somebody soon.
        what: one short sentence.
        since: since when, where that is known.
        why: the evidence, one sentence.
        next_command: what to type or open next; empty where nothing is to be done.
    """

    severity: Severity
    what: str
    since: datetime | None = None
    why: str = ""
    next_command: str = ""


class SeriesPoint(PlainPart):
    """One value of a series.

    Attributes:
        day: event day, or the last event day of a window.
        value: None where it could not be computed.
        low: lower end of its interval, where it has one; likewise `high`.
    """

    day: date
    value: float | None
    low: float | None = None
    high: float | None = None


class StateSeries(PlainPart):
    """A figure over time.

    Attributes:
        name: of the series, unique in a state.
        title: for people.
        unit: of the values: `ratio`, `milliseconds`, `count`, a currency, or empty for a metric without one.
        points: ascending by day.
        bound: what must not be lost or passed; None without one.
        bound_is_lower: whether values below the bound are bad; else those above.
        chart: series with the same chart are drawn together.
        interval_percent: of `low` to `high`; None without intervals.
    """

    name: str
    title: str
    unit: str
    points: tuple[SeriesPoint, ...]
    bound: float | None = None
    bound_is_lower: bool = True
    chart: str
    interval_percent: int | None = None

    @property
    def last(self) -> SeriesPoint | None:
        """The newest point."""
        return self.points[-1] if self.points else None


class NotComputed(PlainPart):
    """Something that a page has a place for and nothing to show."""

    what: str
    why: str


class SourceNewest(PlainPart):
    """The newest of a source that is delivered by day.

    Attributes:
        name: of the source.
        newest_day: newest published event day; None while nothing was published.
        rows: published on it.
        refused_rows: of that day, in quarantine.
        newest_event: time of its newest event, for the events that are scored.
    """

    name: str
    newest_day: date | None
    rows: int
    refused_rows: int
    newest_event: datetime | None = None


class ModelState(PlainPart):
    """A version of the model.

    Attributes:
        version: of the registered model.
        since: since when it is what it is, champion or challenger.
        as_of: the day it was trained as of.
        learner: that made it.
        evidence: what it became champion by, `name: value` each.
        by: the action of the ledger: `promoted` or `rolled_back`.
    """

    version: str
    since: datetime | None = None
    as_of: date | None = None
    learner: str = ""
    evidence: tuple[str, ...] = ()
    by: str = ""


class RolloutState(PlainPart):
    """The newest rollout in stages.

    Attributes:
        new: version of the release that comes.
        old: version beside it.
        stage: such as `2 of 4, canary`.
        weight_percent: share of the requests that the new one answers.
        since: when the phase began.
        outcome: of the last look.
        sentence: of the last look.
        over: whether it ended.
    """

    new: str
    old: str
    stage: str
    weight_percent: int
    since: datetime | None
    outcome: str
    sentence: str
    over: bool


class ServiceState(PlainPart):
    """What answers at the address now.

    Attributes:
        address: of the use case.
        version: release with the most traffic; None where nothing is deployed.
        model_version: of that release.
        weights_percent: share of the requests by release.
        ready: processes that are ready.
        processes: processes that should be.
        problems: what is wrong with the target.
        requests: answered since the processes started; None where the metrics could not be read.
        errors: requests not scored since then, for reasons that lie with the service.
        p50_ms: median time to an answer since then, in milliseconds; likewise `p99_ms`.
    """

    address: str
    version: str | None
    model_version: str | None = None
    weights_percent: dict[str, int] = Field(default_factory=dict)
    ready: int = 0
    processes: int = 0
    problems: tuple[str, ...] = ()
    requests: int | None = None
    errors: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class WindowState(PlainPart):
    """The newest verdict of a monitor.

    Attributes:
        monitor: `drift`, `quality`, `estimate` or `measures`.
        day: last event day of the window.
        status: as the monitor calls it.
        passed: whether it is fine.
        since: first day of the unbroken row of windows with this verdict.
        explanation: one sentence.
        model_version: that was judged; empty where nobody said.
    """

    monitor: str
    day: date
    status: str
    passed: bool
    since: date
    explanation: str
    model_version: str = ""


class DecisionState(PlainPart):
    """The newest retrain decision.

    Attributes:
        as_of: the day.
        verdict: `train`, `mend`, `given_up`, `wait` or `nothing`.
        reason: one sentence.
        failed_requests: trainings of this episode that failed.
    """

    as_of: date
    verdict: str
    reason: str
    failed_requests: int = 0


class OpenAlert(PlainPart):
    """An alert that is firing."""

    name: str
    severity: str
    since: datetime | None = None
    summary: str = ""
    runbook: str = ""


class Link(PlainPart):
    """Where more stands: an address, or a file below the installation's home."""

    title: str
    address: str
    file: str = ""


class UseCaseState(PlainPart):
    """Everything that stands on the page of a use case.

    Attributes:
        format: of this value as JSON; a number that changes when a field changes its meaning or goes.
        use_case: its name.
        description: of the use case, as declared.
        owner: as declared.
        environment: `production`, `staging` or `dev`.
        now: what time it is for the use case: a simulated clock's time, where it follows one.
        made_at: when this was read, in the machine's time.
        stale_after_seconds: when it should have been read again.
        clock_is_simulated: whether `now` is not the machine's time.
        is_realtime: whether it answers requests; else it writes predictions of days.
        is_trained_here: whether the model is ours; else its scores are delivered.
        history_ends: the last day of the declared history; None while data keeps arriving.
        freshness_warn_hours: declared age of the newest event that is worth a warning; `freshness_fail_hours` likewise.
        train_every_days: declared interval of training.
        automation: whether schedules and sensors start by themselves.
        newest_event: time of the newest published event.
        lag_seconds: from then to `now`.
        sources: delivered by day.
        champion: None while there is none.
        challenger: None while there is none.
        rollout: the newest; None while there was none.
        service: None for a use case that answers no requests.
        windows: newest verdict of each monitor.
        decision: newest decision whether a new model is asked for; None before the first.
        operations: what Dagster knows.
        alerts: that fire; None where nobody could be asked.
        series: figures over time.
        not_computed: what there is a place for and nothing to show, with the reason.
        links: where more stands.
        findings: the worst first.
    """

    format: Literal[1] = 1
    use_case: str
    description: str
    owner: str
    environment: str
    now: datetime
    made_at: datetime
    stale_after_seconds: int
    clock_is_simulated: bool = False
    is_realtime: bool = True
    is_trained_here: bool = True
    history_ends: date | None = None
    freshness_warn_hours: float
    freshness_fail_hours: float
    train_every_days: int
    automation: bool
    newest_event: datetime | None = None
    lag_seconds: float | None = None
    sources: tuple[SourceNewest, ...] = ()
    champion: ModelState | None = None
    challenger: ModelState | None = None
    rollout: RolloutState | None = None
    service: ServiceState | None = None
    windows: tuple[WindowState, ...] = ()
    decision: DecisionState | None = None
    operations: StateOfOperations = StateOfOperations()
    alerts: tuple[OpenAlert, ...] | None = None
    series: tuple[StateSeries, ...] = ()
    not_computed: tuple[NotComputed, ...] = ()
    links: tuple[Link, ...] = ()
    findings: tuple[StateFinding, ...] = ()

    @property
    def worst(self) -> Severity:
        """The worst severity among the findings; nothing found is red, for nothing was looked at."""
        return min((finding.severity for finding in self.findings), key=SEVERITIES.index, default="red")

    def window(self, monitor: str) -> WindowState | None:
        """The newest verdict of a monitor."""
        return next((window for window in self.windows if window.monitor == monitor), None)
