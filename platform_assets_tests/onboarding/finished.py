"""A use case that was taken from its sources to a watched service: questions that tests ask of it.

Belongs here: reading what a finished run left behind. Does not belong here: running anything.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import dagster as dg
import httpx
import polars as pl

from platform_assets.cli.run.journey import Journey
from platform_assets.declaration import UseCase
from platform_assets.declaration.names import PREDICTION_LOG
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.layout import CLEAN, FEATURES, SERVING
from platform_assets.pipelines.timeline import Timeline, plan
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.model_store import ModelStore


@dataclass
class Finished:
    """What a run left: assets on the instance, tables in the lake, a champion, a service at its address."""

    journey: Journey

    @property
    def use_case(self) -> UseCase:
        return self.journey.use_case

    @property
    def days(self) -> Timeline:
        return plan(self.use_case)

    @property
    def models(self) -> ModelStore:
        return self.journey.installation.models

    @property
    def champion(self) -> RegisteredVersion:
        version = self.models.registry().by_alias(self.use_case.name, CHAMPION)
        assert version is not None, "nothing was promoted"
        return version

    @property
    def ledger(self) -> pl.DataFrame:
        return self.models.ledger(self.use_case.name).entries(self.use_case.name)

    @property
    def address(self) -> str:
        return self.journey.installation.serving.target().address(self.use_case.name)

    def table(self, layer: str, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        return self.journey.installation.lake.table(self.use_case.name, layer, name, schema).read()

    def clean(self, source: str) -> pl.DataFrame:
        return self.table(CLEAN, source, self.use_case.source(source).polars_schema())

    def log(self) -> pl.DataFrame:
        """The prediction log as a table."""
        return self.table(SERVING, PREDICTION_LOG, prediction_log_schema(self.use_case))

    def offline(self) -> pl.DataFrame:
        """Every event of the live days with the features that the batch path computed for it."""
        case, live = self.use_case, self.days.live
        views = {view.name: self.table(FEATURES, view.name, case.feature_schema(view)) for view in case.features}
        events = self.clean(case.events).filter(pl.col("event_day").is_between(live.first, live.last))
        keys = events.select(case.event_source.primary_key)
        return join_views(keys, views, case, live.first, live.last)

    def score(self, body: dict[str, Any]) -> httpx.Response:
        """What a client sees at the address, through the proxy."""
        return httpx.post(f"{self.address}/score", json=body, trust_env=False, timeout=20)

    def materialization(self, layer: str, name: str) -> dg.AssetMaterialization:
        """The latest materialization of an asset."""
        event = self.journey.jobs.instance.get_latest_materialization_event(
            dg.AssetKey([self.use_case.name, layer, name])
        )
        assert event is not None, f"{layer}/{name} was not materialized"
        assert event.asset_materialization is not None
        return event.asset_materialization

    def metadata(self, layer: str, name: str) -> dict[str, Any]:
        """Metadata of the latest materialization, as plain values."""
        return {key: value.value for key, value in self.materialization(layer, name).metadata.items()}

    def run_ids(self) -> list[str]:
        """Every Dagster run so far, oldest first."""
        return [record.dagster_run.run_id for record in self.journey.jobs.instance.get_run_records(ascending=True)]


def unused_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
