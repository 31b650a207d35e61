"""Drift of a window as the asset computes it: the rows that explain what moved are read from the lake and scored by the model."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines import watch
from platform_assets.pipelines.watched_model import RegisteredModel, answering_model_of, model_of
from platform_assets.registry.base import RegisteredVersion
from platform_assets.testing.fake_registry import FakeRegistry

from .conftest import AS_OF, Trained

WINDOW = AS_OF + timedelta(days=7)
Log = Callable[..., pl.DataFrame]


@pytest.fixture
def watched(use_case: UseCase, first: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Watched":
    monkeypatch.setattr(watch, "write_drift_report", lambda *_, **__: None)
    last = date.fromisoformat(first.version.tags["trained_on_last_day"])
    days = {"trained_on_first_day": (last - timedelta(days=3)).isoformat(), "trained_on_last_day": last.isoformat()}
    version = replace(first.version, tags={**first.version.tags, **days})
    monitoring = use_case.monitoring.model_copy(update={"min_rows": 100, "max_ks": 0.2, "max_psi": 0.6})
    declared = use_case.model_copy(update={"monitoring": monitoring})
    catalog = Catalog(declared, Lake(str(tmp_path / "lake")))
    return Watched(catalog, version, first, tmp_path)


class Watched:
    """A lake with the training set of a model, whose training days, and they alone, may have moved."""

    def __init__(self, catalog: Catalog, version: RegisteredVersion, trained: Trained, folder: Path) -> None:
        self.catalog, self.version, self.trained, self.folder = catalog, version, trained, folder
        self.registry = FakeRegistry()
        self.registry.add(version, trained.run.folder)

    def train(self, moved: float) -> None:
        """Store the training set; the model's training days have a number of customers that moved."""
        first = date.fromisoformat(self.version.tags["trained_on_first_day"])
        shifted = pl.col("customer_count_7d") + pl.when(pl.col("event_day") >= first).then(moved).otherwise(0.0)
        rows = self.trained.frame.with_columns(shifted, (pl.col("amount") + moved * 0).alias("amount"))
        self.catalog.training_sets.write_partitions(rows, AS_OF, AS_OF)

    def log(self, first: date, days: int, moved: float, version: str = "1") -> None:
        """Store predictions of some days."""
        use_case, table = self.catalog.use_case, self.catalog.predictions
        random, rows = np.random.default_rng(first.toordinal()), 60 * days
        day = [first + timedelta(days=i // 60) for i in range(rows)]
        values = {f"feature__{name}": random.normal(size=rows) for name in use_case.feature_names}
        values["feature__customer_count_7d"] += moved
        predictor = self.trained.run.predictor()
        x = np.column_stack([values[f"feature__{name}"] for name in predictor.features])
        given = {
            "request_id": [f"{first}-{i}" for i in range(rows)],
            "scored_at": [datetime.combine(each, time(), UTC) for each in day],
            "score": predictor.predict(np.ascontiguousarray(x)),
            "model_version": version,
            "feature_contract": feature_contract_hash(use_case),
            "event_day": day,
            **values,
        }
        frame = pl.DataFrame(given).with_columns(
            pl.lit(None, dtype=dtype).alias(name) for name, dtype in table.schema.items() if name not in given
        )
        frame = frame.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
        table.write_partitions(frame, first, first + timedelta(days=days - 1))

    def drifted(self) -> dict[str, str]:
        """What the window's columns are called that are not fine."""
        window = watch.watch_drift(self.catalog, self.registry, self.folder, WINDOW)
        return {verdict.column: verdict.status for verdict in window.result.columns if not verdict.passed}


def test_a_drift_that_the_model_did_not_learn_is_red(watched: Watched) -> None:
    watched.train(moved=0.0)
    watched.log(AS_OF, 8, moved=4.0)
    assert watched.drifted()["feature__customer_count_7d"] == "drift"


def test_a_drift_that_the_model_was_trained_on_is_not(watched: Watched) -> None:
    watched.train(moved=4.0)
    watched.log(AS_OF, 8, moved=4.0)
    watched.log(AS_OF - timedelta(days=5), 5, moved=4.0, version="0")
    assert watched.drifted() == {}
    watched.log(AS_OF + timedelta(days=1), 7, moved=9.0)
    assert watched.drifted()["feature__customer_count_7d"] == "drift", "it moved on since"


def test_nothing_is_read_again_while_nothing_moved(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegisteredModel, "known", lambda *_: pytest.fail("read for nothing"))
    watched.train(moved=0.0)
    watched.log(AS_OF, 8, moved=0.0)
    assert watched.drifted() == {}


@pytest.mark.parametrize(
    ("of_the_new_one", "answers"),
    [(99, "1"), (100, "2"), (300, "2")],
    ids=["too few rows of it", "just enough", "more than enough"],
)
def test_a_model_that_was_promoted_within_the_window_is_watched_once_it_has_rows_enough(
    watched: "Watched", of_the_new_one: int, answers: str
) -> None:
    watched.registry.add(replace(watched.version, version="2"), watched.trained.run.folder)
    rows = [("1", WINDOW - timedelta(days=1))] * 400 + [("2", WINDOW)] * of_the_new_one
    log = pl.DataFrame(rows, schema={"model_version": pl.String, "event_day": pl.Date}, orient="row")
    assert model_of(watched.catalog.use_case, log, watched.registry).version == "1"
    assert answering_model_of(watched.catalog.use_case, log, watched.registry).version == answers


def test_a_canary_that_made_few_of_the_newest_predictions_is_not_what_is_watched(watched: "Watched") -> None:
    watched.registry.add(replace(watched.version, version="2"), watched.trained.run.folder)
    rows = [("1", WINDOW)] * 400 + [("2", WINDOW)] * 200
    log = pl.DataFrame(rows, schema={"model_version": pl.String, "event_day": pl.Date}, orient="row")
    assert answering_model_of(watched.catalog.use_case, log, watched.registry).version == "1"
