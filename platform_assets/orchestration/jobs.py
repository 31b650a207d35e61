"""Jobs: the parts of the graph that are started together.

Belongs here: selections with a name. Does not belong here: when they run.
"""

from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import (
    CHAMPION,
    DAILY_PREDICTIONS,
    DEPLOYMENT,
    DRIFT,
    EVALUATION,
    FEATURE_QUALITY,
    MODEL_CARD,
    ONLINE_STORE,
    PARITY,
    PREDICTION_LOG,
    QUALITY,
    SERVICE,
    TABLES,
    TRAINING_SET,
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
from platform_assets.orchestration.assets.feed import feed_name
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.partitions import as_of_days, event_days


@dataclass(frozen=True)
class Jobs:
    """The jobs of a use case, by what they do."""

    feed: UnresolvedAssetJobDefinition | None
    reference: UnresolvedAssetJobDefinition | None
    load: UnresolvedAssetJobDefinition
    labels: UnresolvedAssetJobDefinition | None
    online: UnresolvedAssetJobDefinition | None
    train: UnresolvedAssetJobDefinition
    log: UnresolvedAssetJobDefinition | None
    predict: UnresolvedAssetJobDefinition | None
    watch: UnresolvedAssetJobDefinition
    judge: UnresolvedAssetJobDefinition
    maintain: UnresolvedAssetJobDefinition

    @property
    def all(self) -> list[UnresolvedAssetJobDefinition]:
        """Every job the use case has."""
        jobs = [self.feed, self.reference, self.load, self.labels, self.online, self.train, self.log, self.predict]
        return [job for job in (*jobs, self.watch, self.judge, self.maintain) if job is not None]


def build_jobs(use_case: UseCase) -> Jobs:
    """The jobs of a use case.

    `feed` takes in what is new in incremental sources, whose raw tables are in no other job. `load` takes in the days of tables that
    arrive without delay and computes features; `labels` takes in a table that arrives late, so that it can be run for the days that have
    arrived; `train` goes from training set to deployment, in batch mode to the champion, from which `predict` makes the predictions of
    days.
    """
    name = use_case.name
    days, as_of = event_days(use_case), as_of_days(use_case)
    daily = [source for source in use_case.sources if source.is_daily]
    prompt = [source.name for source in daily if source.arrival_delay_days == 0]
    late = [source.name for source in daily if source.arrival_delay_days > 0]
    static = [source.name for source in use_case.sources if not source.is_daily]

    def loaded(tables: list[str]) -> list[dg.AssetKey]:
        return [
            asset_key(use_case, layer, table)
            for table in tables
            for layer in (RAW, CLEAN, QUARANTINE, PROFILE)
            if layer != RAW or not use_case.source(table).is_incremental
        ]

    def keys(*pairs: tuple[str, str]) -> list[dg.AssetKey]:
        return [asset_key(use_case, layer, table) for layer, table in pairs]

    kept = [
        asset_key(use_case, HISTORY, table) for table in prompt if use_case.source(table).changes.deletes == "history"
    ]
    features = [asset_key(use_case, FEATURES, view.table) for view in use_case.stored_views]
    chain = keys(
        (TRAINING, TRAINING_SET),
        (FEATURES, FEATURE_QUALITY),
        (MODEL, use_case.model_name),
        (MODEL, EVALUATION),
        (MODEL, CHAMPION),
        (MODEL, MODEL_CARD),
    )
    realtime = use_case.is_realtime
    if realtime:
        chain += keys((SERVING, SERVICE), (SERVING, DEPLOYMENT))
    feeds = [asset_key(use_case, RAW, feed_name(source)) for source in use_case.sources if source.is_incremental]
    job = dg.define_asset_job
    return Jobs(
        feed=job(f"{name}__feed", selection=feeds) if feeds else None,
        reference=job(f"{name}__reference", selection=loaded(static)) if static else None,
        load=job(f"{name}__load", selection=[*loaded(prompt), *kept, *features], partitions_def=days),
        labels=job(f"{name}__labels", selection=loaded(late), partitions_def=days) if late else None,
        online=job(f"{name}__online", selection=keys((FEATURES, ONLINE_STORE)), partitions_def=days)
        if realtime
        else None,
        train=job(f"{name}__train", selection=chain, partitions_def=as_of),
        log=job(f"{name}__log", selection=keys((SERVING, PREDICTION_LOG), (MONITORING, PARITY)), partitions_def=days)
        if realtime
        else None,
        predict=None
        if realtime
        else job(
            f"{name}__predict",
            selection=keys((PREDICTIONS, DAILY_PREDICTIONS), (MONITORING, PARITY)),
            partitions_def=days,
        ),
        watch=job(f"{name}__watch", selection=keys((MONITORING, DRIFT)), partitions_def=days),
        judge=job(f"{name}__judge", selection=keys((MONITORING, QUALITY)), partitions_def=days),
        maintain=job(f"{name}__maintain", selection=keys((MAINTENANCE, TABLES))),
    )
