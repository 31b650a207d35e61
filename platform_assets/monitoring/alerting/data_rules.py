"""Alerts about data, features, models, rollouts and cost of a use case.

Belongs here: freshness, quality, drift, age, stuck rollouts and money. Does not belong here: requests (`service_rules.py`), or runs
(`run_rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.monitoring.alerting.alerts import PAGE, TICKET, Alert, RuleGroup, Threshold, series

DAY_SECONDS = 86_400
INTERVAL = "15s"
SETTLE = "15m"
"""How long what is late must be late: a run that is under way mends it."""
BROKEN = ("missing", "type_changed", "degenerate")
QUALITY = "platform_assets_quality"
BUDGET_ALERTS = (
    (
        "BudgetHalfSpent",
        0.5,
        "`platform-assets cost show` says what it is spent on, `platform-assets cost advise` what would cost less.",
    ),
    (
        "BudgetNearlySpent",
        0.8,
        "`platform-assets cost show` says what it is spent on; raise `budget.per_month`, or do less.",
    ),
    (
        "BudgetSpent",
        1.0,
        "`platform-assets run` stops before it begins unless `--beyond-budget` is typed; services go on.",
    ),
)
"""Of a month's budget: name, share that is spent, and what to do."""
NEWEST_EVENT = "platform_assets_newest_event_timestamp_seconds"


def data_group(use_case: UseCase, labels: dict[str, str]) -> RuleGroup:
    """All of them."""
    alerts = (*_freshness(use_case), *_quality(use_case), *_drift(use_case), *_model(use_case), *_money(use_case))
    return RuleGroup(f"{use_case.name}_data", INTERVAL, (), alerts, labels)


def _freshness(use_case: UseCase) -> Iterator[Alert]:
    name, of = use_case.name, {"use_case": use_case.name}
    for source in use_case.sources:
        if source.is_daily and use_case.history.last_day is None:
            yield _late_source(use_case, source)
    yield Alert(
        "DaysBehind", "freshness", TICKET,
        f"{name}: job {{{{ $labels.job }}}} is {{{{ $value }}}} days behind what is due",
        "Days that should have been made were not: a delivery did not come, or runs fail or wait.",
        f"`platform-assets sources check {name}`, then the runs of the job in Dagster (`make dev`).",
        Threshold("platform_assets_due_days_behind", 0, labels=of, by=("job",)),
        hold="2h",
    )  # fmt: skip
    late = use_case.monitoring.alerts.late_days * DAY_SECONDS
    newest = {**of, "source": use_case.events}
    events = f"max({series(NEWEST_EVENT, newest)})"
    views = "platform_assets_feature_newest_day_timestamp_seconds"

    def behind(metric: str) -> Threshold:
        return Threshold(NEWEST_EVENT, late + DAY_SECONDS, newest, reading="difference", minus=(metric, of))

    # A day's timestamp is its midnight: on its last second it is a day behind, and nothing is late.
    yield Alert(
        "FeaturesLate", "freshness", TICKET,
        f"{name}: features {{{{ $labels.view }}}} lie {{{{ $value | humanizeDuration }}}} behind the newest event",
        "Events are there and their features are not; training and online store wait for them.",
        f"Materialize `features/{{{{ $labels.view }}}}` for the days that lack; `platform-assets versions {name}/features/"
        "{{ $labels.view }}` says what is there.",
        threshold=behind(views),
        expression=f"(scalar({events}) - max by (view) ({series(views, of)})) > {late + DAY_SECONDS}",
        hold=SETTLE,
    )  # fmt: skip
    if use_case.is_realtime:
        yield Alert(
            "OnlineStoreLate", "freshness", PAGE,
            f"{name}: the online store lies {{{{ $value | humanizeDuration }}}} behind the newest event",
            "Callers are answered from features of an older day; the model's quality falls without an error.",
            f"Materialize `features/online_store` for the newest day; `platform-assets run {name}` does it with all before it.",
            threshold=behind("platform_assets_online_store_day_timestamp_seconds"),
            hold=SETTLE,
        )  # fmt: skip


def _late_source(use_case: UseCase, source: Source) -> Alert:
    allowed = (
        use_case.freshness.fail_after_hours * 3600
        + (source.arrival_delay_days - use_case.history.days_ahead + 1) * DAY_SECONDS
    )
    clock = "scalar(max(platform_assets_clock_timestamp_seconds))"
    newest = series(NEWEST_EVENT, {"use_case": use_case.name, "source": source.name})
    return Alert(
        "SourceLate", "freshness", TICKET,
        f"{use_case.name}: the newest event of {source.name} is {{{{ $value | humanizeDuration }}}} old",
        f"A day's delivery did not come: allowed are {allowed / 3600:.0f} hours.",
        f"`platform-assets sources check {use_case.name}`",
        expression=f"({clock} - max by (source) ({newest})) > {allowed}",
        hold=SETTLE,
    )  # fmt: skip


def _quality(use_case: UseCase) -> Iterator[Alert]:
    name = use_case.name
    task = DECLARED_TASKS[use_case.training.task]
    followed = dict.fromkeys((use_case.monitoring.quality_metric, *use_case.monitoring.bounds))

    def labels(metric: str, kind: str) -> dict[str, str]:
        return {"use_case": name, "metric": metric, "kind": kind}

    def quality(metric: str, kind: str) -> str:
        return f"max by (metric) ({series(QUALITY, labels(metric, kind))})"

    def beyond(metric: str, kind: str) -> Threshold:
        operator: Literal[">", "<"] = "<" if task.metrics[metric] else ">"
        bound = (QUALITY, labels(metric, "bound"))
        return Threshold(QUALITY, 0, labels(metric, kind), reading="difference", operator=operator, minus=bound)

    for metric in followed:
        past = "<" if task.metrics[metric] else ">"
        yield Alert(
            "QualityLost", "quality", PAGE,
            f"{name}: {metric} is {{{{ $value | humanize }}}}, past its bound",
            "Labels have come, and the model's answers were worse than declared.",
            f"`platform-assets models ledger {name}`: was a model promoted of late? `platform-assets models rollback {name}` goes back.",
            threshold=beyond(metric, "true"),
            expression=f"{quality(metric, 'true')} {past} {quality(metric, 'bound')}",
        )  # fmt: skip
        yield Alert(
            "EstimatedQualityLow", "quality", TICKET,
            f"{name}: {metric} is estimated at {{{{ $value | humanize }}}}, past its bound",
            "Labels have not come yet; the scores of the last days say that they will show worse answers than declared.",
            "Look at the asset `monitoring/estimated_quality`, and at `monitoring/drift` for what moved.",
            threshold=beyond(metric, "estimated"),
            expression=f"{quality(metric, 'estimated')} {past} {quality(metric, 'bound')}",
        )  # fmt: skip
    measured = quality(use_case.monitoring.quality_metric, "true")
    answered = ("platform_assets_model_as_of_timestamp_seconds", {"use_case": name})
    if use_case.predictions is not None:
        answered = (NEWEST_EVENT, {"use_case": name, "source": use_case.predictions.source})
    yield Alert(
        "QualityUnknown", "quality", TICKET,
        f"{name}: nobody knows whether the answers are right",
        "A model serves, and its quality was not measured: labels do not come, or too few requests do.",
        f"`platform-assets sources check {name}`: does the source of the labels deliver?",
        expression=f"group({series(*answered)})"
        f" unless group({measured})",
        hold="1d",
    )  # fmt: skip


def _drift(use_case: UseCase) -> Iterator[Alert]:
    name = use_case.name
    of = {"use_case": name}
    yield Alert(
        "Drift", "drift", TICKET,
        f"{name}: {{{{ $value }}}} columns have drifted",
        "What the model is asked lies elsewhere than what it was judged on. Drift that persists asks for a new model by itself.",
        "Open the report named in the metadata of the check `no_drift` of `monitoring/drift`.",
        Threshold("platform_assets_drift_columns", 0, labels={**of, "status": "drift"}),
    )  # fmt: skip
    statuses = "|".join(BROKEN)
    yield Alert(
        "ColumnsBroken", "drift", PAGE,
        f"{name}: {{{{ $value }}}} columns are {{{{ $labels.status }}}}",
        "A column is missing, has another type, or cannot be compared: a fault of the data, which no new model mends.",
        f"`platform-assets sources check {name}`; the report of `monitoring/drift` names the columns.",
        expression=f'sum by (status) (platform_assets_drift_columns{{use_case="{name}",status=~"{statuses}"}}) > 0',
    )  # fmt: skip


def _model(use_case: UseCase) -> Iterator[Alert]:
    name, of = use_case.name, {"use_case": use_case.name}
    if not use_case.is_trained_here:
        return
    every = use_case.training.every_days
    if every is not None:
        allowed = (2 * every + 7) * DAY_SECONDS
        yield Alert(
            "ModelOld", "quality", TICKET,
            f"{name}: the newest model was trained as of {{{{ $value | humanizeDuration }}}} before the newest event",
            f"A model is due every {every} days, and two have not come: trainings fail, or gates refuse them.",
            f"`platform-assets models list`, then the red checks of `model/evaluation`; `platform-assets models ledger {name}`.",
            threshold=Threshold(
                NEWEST_EVENT, allowed, {**of, "source": use_case.events}, reading="difference",
                minus=("platform_assets_model_as_of_timestamp_seconds", of),
            ),
        )  # fmt: skip
    attempts = use_case.monitoring.retrain.max_attempts
    yield Alert(
        "RetrainFailed", "quality", PAGE,
        f"{name}: {{{{ $value }}}} trainings that were asked for failed, and none is asked for any more",
        "Monitoring found a reason for a new model, and its trainings failed as often as is allowed.",
        "Look at the failed runs of the job `train` in Dagster (`make dev`), mend the cause, and train by hand.",
        Threshold("platform_assets_retrain_requests_failed", attempts - 1, labels=of),
    )  # fmt: skip
    hours = use_case.monitoring.alerts.rollout_hours
    yield Alert(
        "RolloutStuck", "rollout", TICKET,
        f"{name}: a rollout has stood in one stage for {{{{ $value | humanizeDuration }}}}",
        f"Allowed are {hours} hours. It waits for requests, for a person, or its sensor is off.",
        f"`platform-assets rollout status {name}`, then `platform-assets rollout promote` or `abort` with `--why`.",
        Threshold(
            "platform_assets_rollout_stage_since_timestamp_seconds", hours * 3600, labels=of, reading="age"
        ),
    )  # fmt: skip


def _money(use_case: UseCase) -> Iterator[Alert]:
    for measure in use_case.monitoring.measures:
        if measure.bound is not None:
            operator: Literal[">", "<"] = "<" if measure.direction == "increase" else ">"
            labels = {"use_case": use_case.name, "measure": measure.name}
            yield Alert(
                "BusinessMeasureMissed", "quality", TICKET,
                f"{use_case.name}: {measure.name} is {{{{ $value | humanize }}}} {measure.unit}, past {measure.bound:g}",
                "A measure of what the model is for, over answered requests whose labels are known, is past its declared bound.",
                "Open the asset `monitoring/business_measures`: it has the series; then `monitoring/quality` and `monitoring/drift`.",
                Threshold("platform_assets_business_measure", measure.bound, labels=labels, by=("measure",), operator=operator),
            )  # fmt: skip
    limit = use_case.monitoring.alerts.max_cost_euros
    if limit is not None:
        costs = series("platform_assets_cost", {"use_case": use_case.name})
        yield Alert(
            "CostTooHigh", "cost", TICKET,
            f"{use_case.name}: a day costs {{{{ $value | humanize }}}} {{{{ $labels.currency }}}}",
            f"Declared is at most {limit:g} for all kinds together, in the currency of the price sheet.",
            "The metric's label `kind` says what it is spent on.",
            expression=f"sum by (currency) ({costs}) > {limit:g}",
        )  # fmt: skip
    budget = use_case.budget
    if budget is not None and budget.per_month is not None:
        for name, share, then in BUDGET_ALERTS:
            yield Alert(
                name, "cost", TICKET,
                f"{use_case.name}: {{{{ $value | humanizePercentage }}}} of this month's budget is spent",
                f"Declared are {budget.per_month:g} {budget.currency} for a month of the calendar; {100 * share:g} % are spent.",
                then,
                Threshold("platform_assets_budget_spent_ratio", share, labels={"use_case": use_case.name}, ),
            )  # fmt: skip
