"""A small world to answer requests in: a model, a filled online store, and the requests of the days after.

Belongs here: making it, with no more than both sides of the comparison have. Does not belong here: serving or loading it (`side.py`,
`topic.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.common.world import scored_use_case, simulated
from platform_assets.cli.run.replay import request_body
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.training_set import training_set
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.feast_objects import windowed_views
from platform_assets.features.online.store import apply, write_state
from platform_assets.training import artifact
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.compare import refit
from platform_assets.training.dataset import read_dataset
from serving.release import ReleaseInfo, SelfTestRow, feature_row

SCALE: Mapping[str, Any] = {"customers": 1000, "terminals": 2000}
TRAIN_DAYS, SELF_TEST_ROWS = 7, 20


@dataclass(frozen=True)
class World:
    """Simulated payments up to a midnight, and those after it.

    Attributes:
        declared: the use case.
        day: the first day that is not known.
        events: all of them, with labels where they are known at that midnight.
        labels: all of them.
    """

    declared: DeclaredUseCase
    events: pl.DataFrame
    labels: pl.DataFrame
    day: Any

    @property
    def use_case(self) -> UseCase:
        """Its declaration."""
        return self.declared.use_case


def simulated_world(requests: int) -> World:
    """As many days as the longest window reaches and a model needs, and so many after them as hold the requests."""
    declared = scored_use_case()
    case = declared.use_case
    first = case.history.first_day
    day = first + timedelta(days=max(view.span_days for view in case.features) + TRAIN_DAYS + 1)
    last = day + timedelta(days=2 + requests // int(SCALE["customers"]))
    events, labels = simulated(case, first, last, SCALE)
    known = labels.filter(pl.col("event_day") + pl.duration(days=case.label_delay_days) <= day)
    return World(declared, join_labels(events, known, case), labels, day)


def write_model(world: World, folder: Path) -> None:
    """Fit the declared booster on the last days before, and leave it and what the release says of it."""
    case, last = world.use_case, world.day - timedelta(days=1)
    start = last - timedelta(days=TRAIN_DAYS - 1)
    joined = join_labels(world.events.drop(case.label.column, strict=False), world.labels, case)
    views = {view.name: compute_view(view, case, joined, start, last) for view in case.features}
    as_of = last + timedelta(days=case.label_delay_days + 1)
    data = read_dataset(case, training_set(world.labels, views, case, as_of, start, last))
    candidate = next(one for one in declared_candidates(case.training, case.feature_names) if one.name == "xgboost")
    predictor = refit(data, (start, last), candidate, case.training.seed)
    artifact.save(predictor, folder / "model")
    rows = [dict(zip(predictor.features, map(float, row), strict=True)) for row in data.X[:SELF_TEST_ROWS]]
    rows = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    scores = [predictor.predict([feature_row(row, predictor.features)])[0] for row in rows]  # type: ignore[arg-type]
    info = ReleaseInfo(
        use_case=case.name,
        model_version="1",
        feature_contract=feature_contract_hash(case),
        self_test=tuple(SelfTestRow(features=row, score=float(score)) for row, score in zip(rows, scores, strict=True)),
    )
    (folder / "info.json").write_text(info.model_dump_json(), encoding="utf-8")


def write_bodies(world: World, count: int, path: Path) -> None:
    """The first requests after the midnight, in order of time, one a line."""
    case = world.use_case
    after = world.events.filter(pl.col("event_day") >= world.day).sort(case.event_time, *case.event_source.primary_key)
    rows = after.head(count).select(case.serving.request).to_dicts()
    path.write_text("".join(json.dumps(request_body(row)) + "\n" for row in rows), encoding="utf-8")


def fill_store(world: World, home: Path) -> FeastSettings:
    """An online store as of the midnight."""
    case = world.use_case
    home.mkdir(parents=True)
    store = {"type": "sqlite", "path": str(home / "online.db")}
    registry = f"sqlite:///{home / 'registry.db'}"
    settings = FeastSettings(project=case.name, registry=registry, online_store=store, home=str(home))
    apply(case, settings)
    history = world.events.filter(pl.col("event_day") < world.day)
    for view in windowed_views(case):
        write_state(view, entity_state(view, case, history, world.day), settings, case)
    return settings
