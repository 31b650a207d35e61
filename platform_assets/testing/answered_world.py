"""A world in which requests were answered: a lake, kept releases, a ledger, and the log that the service's own code wrote.

Belongs here: that world, made in this process without a server. Does not belong here: what is asked about the answers (tests, benchmarks).

A day is served before it is loaded, as in life: features are those of the events before, of the requests answered before, and of the
request; then the day's events and the labels that have come are published, so that the tables of later are other ones than those of then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase, feature_contract_hash
from platform_assets.declaration.days import DayRange
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.watch import store_predictions
from platform_assets.registry.ledger import Entry
from platform_assets.registry.model_store import ModelStore
from platform_assets.training import artifact
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.learners.base import Matrix
from platform_assets.training.predictor import Predictor
from serving.prediction_log import PredictionLog
from serving.release import ReleaseInfo, SelfTestRow, content_digest, write_release
from serving.scoring import Scorer

SELF_TEST_ROWS = 20
Features = Callable[["AnsweredWorld", pl.DataFrame], list[list[float]]]
"""Feature values of requests in order, as a store would give them: NaN is missing."""


@dataclass(frozen=True)
class GivenInputs:
    """Inputs of a model that were computed before."""

    values: Sequence[float]
    unknown_entities: Sequence[str] = ()
    too_late_for: Sequence[str] = ()
    mark: Any = None


@dataclass
class GivenFeatures:
    """A look-up that answers what it was given last."""

    now: GivenInputs = field(default_factory=lambda: GivenInputs(()))

    def vector(self, event: Mapping[str, Any]) -> GivenInputs:
        """What was given."""
        return self.now


@dataclass
class AnsweredWorld:
    """A lake, releases and a log.

    Attributes:
        root: folder of everything.
        use_case: the declaration.
        events: every event of every day.
        labels: every label.
        trained_on: inputs of the newest model.
        answers: what answers: release digest, scorer and model version, the newest last.
    """

    root: Path
    use_case: UseCase
    events: pl.DataFrame
    labels: pl.DataFrame
    answers: list[tuple[str, Scorer, Predictor]] = field(default_factory=list)
    lookup: GivenFeatures = field(default_factory=GivenFeatures)
    trained_on: Matrix = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(root=str(self.root / "lake"))

    @property
    def catalog(self) -> Catalog:
        """Its tables."""
        return Catalog(self.use_case, self.lake)

    @property
    def serving(self) -> ServingHome:
        """Where releases and the log are."""
        return ServingHome(str(self.root), 8700)

    @property
    def models(self) -> ModelStore:
        """The ledger; no model is registered."""
        return ModelStore(f"sqlite:///{self.root / 'mlflow.db'}", self.lake)

    @property
    def log_folder(self) -> Path:
        """Of the log."""
        return self.serving.log_folder(self.use_case.name)

    def load(self, first: date, last: date) -> None:
        """Publish the events of some days, and the labels that are known when they are over."""
        case, catalog = self.use_case, self.catalog
        catalog.events.stored.write_partitions(
            self.events.filter(pl.col(EVENT_DAY).is_between(first, last)), first, last
        )
        known = last + timedelta(days=1 - case.label_delay_days)
        labels = self.labels.filter(pl.col(EVENT_DAY) <= known)
        start = case.history.first_day
        catalog.labels.stored.write_partitions(labels, start, max(start, known), allow_empty=True)

    def known(self, before: date) -> pl.DataFrame:
        """Events before a midnight, with the labels that are known at it."""
        last = before - timedelta(days=self.use_case.label_delay_days)
        labels = self.labels.filter(pl.col(EVENT_DAY) <= last)
        return join_labels(self.events.filter(pl.col(EVENT_DAY) < before), labels, self.use_case)

    def compute(self, first: date, last: date) -> None:
        """The feature tables of some days, each from what is known when it is over."""
        case = self.use_case
        for day in DayRange(first, last).days:
            labels = self.labels.filter(pl.col(EVENT_DAY) <= day - timedelta(days=case.label_delay_days))
            events = join_labels(self.events.filter(pl.col(EVENT_DAY) <= day), labels, case)
            for view in case.features:
                self.catalog.features(view).write_partitions(compute_view(view, case, events, day, day), day, day)

    def computed(self, requests: pl.DataFrame) -> list[list[float]]:
        """Features of a day's requests by the offline kernel, from what is known at its midnight and the requests before each."""
        case, day = self.use_case, requests[EVENT_DAY][0]
        known = self.known(day)
        unlabelled = requests.with_columns(pl.lit(None, known.schema[case.label.column]).alias(case.label.column))
        events = pl.concat([known, unlabelled.select(known.columns)])
        views = {view.name: compute_view(view, case, events, day, day) for view in case.features}
        keys = list(case.event_source.primary_key)
        rows = join_views(requests.select([*keys, EVENT_DAY]), views, case, day, day)
        rows = requests.select(keys).join(rows, on=keys, how="left", maintain_order="left")
        return rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in case.feature_names).rows()  # type: ignore[return-value]

    def train(self, kind: str, before: date, settings: Mapping[str, Any] | None = None) -> Predictor:
        """A model of the days before a midnight, of which all labels count."""
        case = self.use_case
        days = [day for day in self.events[EVENT_DAY].unique().sort().to_list() if day < before]
        events = join_labels(self.events.filter(pl.col(EVENT_DAY) < before), self.labels, case)
        views = {view.name: compute_view(view, case, events, days[0], days[-1]) for view in case.features}
        keys = list(case.event_source.primary_key)
        rows = join_views(events.select([*keys, case.label.column, EVENT_DAY]), views, case, days[0], days[-1])
        rows = rows.drop_nulls(case.label.column).sort(case.event_time, *keys)
        X = rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in case.feature_names).to_numpy()
        y, day = rows[case.label.column].cast(pl.Float64).to_numpy(), rows[EVENT_DAY].to_numpy().astype("datetime64[D]")
        self.trained_on = np.ascontiguousarray(X)
        data = Dataset(self.trained_on, y, day, None, np.arange(len(y)), case.feature_names)
        return fit_predictor(data, make_learner(kind, settings or {}), seed=0)

    def release(self, version: str, predictor: Predictor, *, registered: datetime | None = None) -> str:
        """Keep a release of a model as packaging does, promote and deploy it in the ledger; its digest."""
        case, scratch = self.use_case, self.root / "scratch" / version
        artifact.save(predictor, scratch / "model")
        info = ReleaseInfo(
            use_case=case.name, model_version=version, feature_contract=feature_contract_hash(case), code_version="test",
            data_versions={f"/{case.name}/training/training_set": 0}, self_test=self._self_test(predictor),
        )  # fmt: skip
        code = scratch / "src"
        write_release(code / "release", case, scratch / "model", info)
        digest = content_digest(code)
        kept = self.serving.bento_root() / "bentos" / case.name / digest.removeprefix("sha256:")[:16]
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch.rename(kept)
        (kept / "bento.yaml").write_text("service: none\n")
        self.record("promoted", version, None, registered)
        self.record("deployed", version, digest, registered)
        loaded = artifact.load(kept / "src" / "release" / "model")
        self.answers.append((digest, Scorer(case, info, digest, loaded, self.lookup), loaded))  # type: ignore[arg-type]
        return digest

    def _self_test(self, predictor: Predictor) -> tuple[SelfTestRow, ...]:
        """Some of the rows that the model was trained on, with its answers."""
        rows = self.trained_on[-SELF_TEST_ROWS:]
        scores = predictor.predict(rows).tolist()
        named = [dict(zip(predictor.features, row, strict=True)) for row in rows.tolist()]
        plain = [{name: None if value != value else value for name, value in row.items()} for row in named]
        return tuple(SelfTestRow(features=row, score=score) for row, score in zip(plain, scores, strict=True))

    def record(self, action: Any, version: str, release: str | None, at: datetime | None = None) -> None:
        """An entry of the ledger."""
        moment, case = at or datetime.now(UTC), self.use_case
        entry = f"{case.name}/{action}/{version}/{moment.isoformat()}"
        evidence = {"gates": {"auc_roc": {"passed": True}}, "model_version": version, "passed": True}
        self.models.ledger(case.name).record(
            Entry(entry, moment, case.name, action, version, None, release, evidence, "run")
        )

    def serve(
        self,
        day: date,
        most: int = 10_000,
        *,
        features: Features | None = None,
        background: bool = False,
        place: int = -1,
    ) -> list[str]:
        """Answer a day's events one after the other through the service's own scorer and log, then load the day and store the log.

        Args:
            day: an event day.
            most: of its events, the first ones; the others never happened.
            features: of the requests; default: `computed`.
            background: leave the log as it is: nothing is stored.
            place: of the version among `answers` that answers.

        Returns:
            Ids of the requests.
        """
        case = self.use_case
        requests = (
            self.events.filter(pl.col(EVENT_DAY) == day)
            .sort(case.event_time, *case.event_source.primary_key)
            .head(most)
        )
        rest = self.events.filter(pl.col(EVENT_DAY) != day)
        self.events = pl.concat([rest, requests]).sort(EVENT_DAY, maintain_order=True)
        values = self.computed(requests) if features is None else features(self, requests)
        digest, scorer, _ = self.answers[place]
        log, ids = PredictionLog(self.log_folder, digest, 2**22), []
        for event, row in zip(requests.select(case.serving.request).iter_rows(named=True), values, strict=True):
            self.lookup.now = GivenInputs(row)
            ids.append(f"{case.name}-{event[case.event_source.primary_key[0]]}")
            log.append(scorer.log_record(scorer.score(event, ids[-1], time.perf_counter(), f"caller-{ids[-1]}")), day)
        log.close()
        self.load(day, day)
        if not background:
            store_predictions(self.catalog, self.log_folder, DayRange(day, day))
        return ids
