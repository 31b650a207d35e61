"""The jobs of a use case, and the tables that each makes.

Belongs here: which tables are made together, under which name. Does not belong here: which days of them are due (`due.py`), or what
Dagster is told about a job (`orchestration/jobs.py`).
"""

from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.names import (
    BUSINESS_MEASURES,
    CHAMPION,
    DAILY_PREDICTIONS,
    DEPLOYMENT,
    DRIFT,
    ESTIMATE,
    EVALUATION,
    EXPLANATIONS,
    FEATURE_QUALITY,
    MODEL_CARD,
    ONLINE_STORE,
    PARITY,
    PREDICTION_LOG,
    QUALITY,
    RETRAIN_DECISION,
    SERVICE,
    TABLES,
    TRAINING_SET,
    feed_name,
)
from platform_assets.lake.layout import (
    CLEAN,
    FEATURES,
    HISTORY,
    MAINTENANCE,
    MODEL,
    MONITORING,
    PREDICTIONS,
    PROFILE,
    QUARANTINE,
    RAW,
    SERVING,
    TRAINING,
)

FEED, REFERENCE, LABELS, LOAD, ONLINE = "feed", "reference", "labels", "load", "online"
TRAIN, LOG, PREDICT, WATCH, JUDGE, DECIDE = "train", "log", "predict", "watch", "judge", "decide"
MAINTAIN = "maintain"

JOBS = (FEED, REFERENCE, LABELS, LOAD, ONLINE, TRAIN, LOG, PREDICT, WATCH, JUDGE, DECIDE, MAINTAIN)
"""Every job, in the order in which data flows."""

PUBLISH, COMPUTE, STORE_LOG, COMPARE, PROMOTE = "publish", "compute", "log", "parity", "promote"
"""Parts of jobs that are run by themselves where the rest was done or has to wait: of `LOAD` publishing and computing features, of `LOG`
storing predictions and comparing their features, of `TRAIN` what follows a green evaluation."""

TableName = tuple[str, str]
"""Layer and table."""


def job_tables(use_case: UseCase) -> dict[str, list[TableName]]:
    """The tables that each job of the use case makes; a job that it does not need is left out.

    Reference tables and those of incremental feeds have jobs of their own; so have tables that arrive late, such as labels. A day's load
    goes from the other sources to the features. Training goes from the training set to the deployment, in batch mode to the champion,
    from which `predict` makes the predictions of days. Where scores are delivered nothing is trained or decided, and `predict` takes
    them in.
    """
    daily = [source for source in use_case.sources if source.is_daily]
    prompt = [source for source in daily if source.arrival_delay_days == 0]
    late = [source for source in daily if source.arrival_delay_days > 0]
    kept = [(HISTORY, source.name) for source in prompt if source.changes.deletes == "history"]
    tables = {
        FEED: [(RAW, feed_name(source.name)) for source in use_case.sources if source.is_incremental],
        REFERENCE: _published([source for source in use_case.sources if not source.is_daily]),
        LABELS: _published(late),
        LOAD: [*_published(prompt), *kept, *((FEATURES, view.table) for view in use_case.stored_views)],
        TRAIN: _trained(use_case),
        WATCH: [(MONITORING, DRIFT), (MONITORING, ESTIMATE), *_explained(use_case)],
        JUDGE: [(MONITORING, QUALITY), *([(MONITORING, BUSINESS_MEASURES)] if use_case.monitoring.measures else [])],
        DECIDE: [(MONITORING, RETRAIN_DECISION)],
        MAINTAIN: [(MAINTENANCE, TABLES)],
    }
    if not use_case.is_trained_here:
        tables |= {TRAIN: [], DECIDE: [], PREDICT: [(PREDICTIONS, DAILY_PREDICTIONS)]}
    elif use_case.is_realtime:
        tables[ONLINE] = [(FEATURES, ONLINE_STORE)]
        tables[LOG] = [(SERVING, PREDICTION_LOG), (MONITORING, PARITY)]
    else:
        tables[PREDICT] = [(PREDICTIONS, DAILY_PREDICTIONS), (MONITORING, PARITY)]
    return {job: tables[job] for job in JOBS if tables.get(job)}


def part_tables(use_case: UseCase, job: str, part: str = "") -> list[TableName]:
    """The tables of a job that a part of it makes; all of them where no part is named."""
    tables = job_tables(use_case)[job]
    match part:
        case "publish":
            return [one for one in tables if one[0] != FEATURES]
        case "compute":
            return [one for one in tables if one[0] == FEATURES]
        case "log":
            return [one for one in tables if one[1] == PREDICTION_LOG]
        case "parity":
            return [one for one in tables if one[1] == PARITY]
        case "promote":
            return [one for one in tables if one[1] in (CHAMPION, SERVICE, DEPLOYMENT)]
        case _:
            return tables


def _published(sources: list[Source]) -> list[TableName]:
    """What becomes of a delivery; the raw table of an incremental source is written by its feed."""
    return [
        (layer, source.name)
        for source in sources
        for layer in (RAW, CLEAN, QUARANTINE, PROFILE)
        if layer != RAW or not source.is_incremental
    ]


def _explained(use_case: UseCase) -> list[TableName]:
    """Samples of predictions that are explained, where any are asked for."""
    wanted = use_case.is_trained_here and use_case.monitoring.explanations.samples_per_day
    return [(MONITORING, EXPLANATIONS)] if wanted else []


def _trained(use_case: UseCase) -> list[TableName]:
    chain = [
        (TRAINING, TRAINING_SET),
        (FEATURES, FEATURE_QUALITY),
        (MODEL, use_case.model_name),
        (MODEL, EVALUATION),
        (MODEL, CHAMPION),
        (MODEL, MODEL_CARD),
    ]
    return [*chain, (SERVING, SERVICE), (SERVING, DEPLOYMENT)] if use_case.is_realtime else chain
