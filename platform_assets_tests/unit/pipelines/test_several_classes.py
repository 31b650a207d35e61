"""Several classes from declaration to a served and watched answer, each step with what the one before it left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.deployment.packaging.self_test import _difference, _score
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.features.quality.profiles import feature_quality
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.monitoring.quality import join_labels, production_quality
from platform_assets.monitoring.watched_window import reference_frame, watch_window
from platform_assets.pipelines.evaluate import compare_on_same_rows, evidence_of, judged_model_of
from platform_assets.pipelines.model_card import CardSources, render_card
from platform_assets.pipelines.package import release_info
from platform_assets.pipelines.predict import PredictionError, predict_rows
from platform_assets.pipelines.track_training import CLASSES_FILE, CURVES_FILE, TRACKING, track
from platform_assets.pipelines.train import rows_by_class, select_model
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.mlflow_tracker import MlflowRun
from platform_assets.registry.training_run import (
    CLASS_ROWS_TAG,
    MODEL_DIGEST_TAG,
    ModelRun,
    read_model_run,
    write_model_run,
)
from platform_assets.tasks.multiclass.labels import OtherClasses
from platform_assets.tasks.registry import TASKS
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training.compare import Comparison, refit
from platform_assets.training.dataset import read_dataset
from platform_assets.training.folds import refit_days
from platform_assets_tests.unit.pipelines.ticket_world import CLASSES, FIRST_DAY, TICKETS, declared, simulated_tickets
from serving.app import make_app
from serving.background import Background
from serving.metrics import ServiceMetrics
from serving.prediction_log import PredictionLog
from serving.release import PackedRelease, PackedReleaseError, read_release, write_release
from serving.request import answer_model
from serving.runtime import Runtime
from serving.scoring import Scorer
from serving.settings import ServingSettings

AS_OF = FIRST_DAY + timedelta(days=24)
TODAY = date(2025, 6, 1)


def training_rows(use_case: UseCase, as_of: date, tickets: pl.DataFrame | None = None) -> pl.DataFrame:
    """The training set that the use case's assets would make of simulated tickets."""
    rows = simulated_tickets() if tickets is None else tickets
    opened = pl.col("opened_at").str.to_datetime(time_zone="UTC")
    rows = rows.with_columns(opened).with_columns(
        event_day=pl.col("opened_at").dt.date(), as_of=pl.lit(as_of), tickets_before_3d=pl.col("ticket") % 3
    )
    schema = training_set_schema(use_case)
    return rows.filter(pl.col("event_day") < as_of).select(pl.col(name).cast(dtype) for name, dtype in schema.items())


@dataclass
class Made:
    """A model with its rows and artifacts."""

    use_case: UseCase
    frame: pl.DataFrame
    version: RegisteredVersion
    run: ModelRun
    comparison: Comparison

    def judged(self, champion: Made | None = None) -> tuple[Verdict, dict[str, Any]]:
        subject = judged_model_of(self.use_case, self.frame, self.run, self.version)
        registry = FakeRegistry()
        for made in (self, champion):
            if made is not None:
                registry.add(made.version, made.run.folder)
        other = champion.version if champion is not None else None
        rows = compare_on_same_rows(subject, self.version, other, registry)
        verdict = judge(subject, rows, TODAY, has_champion=champion is not None)
        return verdict, evidence_of(self.use_case, verdict, self.version, other, rows, TODAY)


class Client:
    def log_batch(self, run_id: str, **logged: Any) -> None:
        self.logged = logged


def made(use_case: UseCase, frame: pl.DataFrame, folder: Path, number: str = "1", as_of: date = AS_OF) -> Made:
    """What the model asset does, without a registry."""
    data = read_dataset(use_case, frame)
    selection = select_model(use_case, data, as_of, lambda line: None)
    days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
    predictor = refit(data, days, selection.winner, 0)
    folder.mkdir(parents=True)
    digest = write_model_run(folder, predictor, selection.comparison, frame, use_case)
    track(
        MlflowRun(Client(), "run", None, "run"),
        folder,
        use_case,
        predictor,
        selection.comparison,
        selection.winner.name,
    )
    tags = {
        "as_of": as_of.isoformat(),
        "learner": selection.winner.name,
        MODEL_DIGEST_TAG: digest,
        CLASS_ROWS_TAG: json.dumps(rows_by_class(predictor)),
    }
    version = RegisteredVersion(use_case.name, number, f"run {number}", tags)
    return Made(use_case, frame, version, read_model_run(folder), selection.comparison)


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Made:
    use_case = declared()
    return made(use_case, training_rows(use_case, AS_OF), tmp_path_factory.mktemp("tickets") / "run")


def gate(verdict: Verdict, name: str) -> Any:
    return next(result for result in verdict.gates if result.name == name)


def test_the_model_passes_the_gates_that_are_declared_and_fit(tickets: Made) -> None:
    verdict, evidence = tickets.judged()
    assert verdict.passed, verdict.reason
    names = [result.name for result in verdict.gates]
    assert names == gate_names(tickets.use_case.gates, tickets.use_case.task)
    assert {"training_data", "calibration", "mean_prediction", "single_feature", "slice_size", "reproducible"} <= set(
        names
    )
    assert "relative_calibration" not in names
    assert gate(verdict, "training_data").details["rows_by_class"].keys() == set(CLASSES)
    means = tickets.comparison.means(tickets.version.tags["learner"])
    assert means["balanced_accuracy"] > 0.6 > tickets.comparison.means("constant")["balanced_accuracy"]
    assert evidence["same_rows"]["model"]["auc_roc"] > 0.8
    json.dumps(evidence, allow_nan=False)


def test_against_the_champion_on_the_same_rows(tickets: Made, tmp_path: Path) -> None:
    later = AS_OF + timedelta(days=4)
    frame = training_rows(tickets.use_case, later)
    challenger = made(tickets.use_case, frame, tmp_path / "run", "2", later)
    result = gate(challenger.judged(champion=tickets)[0], "no_worse_than_champion")
    assert result.details["difference"]["metric"] == "balanced_accuracy"
    assert "fitted on the champion's own training days" in result.details["how"]
    same_day = replace(tickets.version, version="3", run_id="run 3")
    twin = Made(tickets.use_case, tickets.frame, same_day, tickets.run, tickets.comparison)
    assert gate(twin.judged(champion=tickets)[0], "no_worse_than_champion").measured == 0.0


def test_a_champion_of_other_classes_is_not_compared_silently(tickets: Made) -> None:
    sources = deepcopy(TICKETS["sources"])
    sources[1]["columns"][2]["allowed"] = [*CLASSES, "sales"]
    other = declared(sources=sources)
    assert feature_contract_hash(other) != feature_contract_hash(tickets.use_case)
    again = Made(
        other, tickets.frame, replace(tickets.version, version="2", run_id="run 2"), tickets.run, tickets.comparison
    )
    verdict, _ = again.judged(champion=tickets)
    result = gate(verdict, "no_worse_than_champion")
    assert not result.passed
    assert "it tells other classes apart (billing, outage, how to, other, not billing" in result.explanation
    assert "sales (0 rows)" in gate(verdict, "training_data").explanation


@pytest.mark.parametrize(
    ("fault", "red"),
    [
        ("a class without rows", "training_data"),
        ("a class with one row", "training_data"),
        ("the label is a feature", "single_feature"),
        ("shuffled labels", "floor_auc_roc"),
    ],
)
def test_each_planted_fault_turns_its_gate_red(fault: str, red: str, tmp_path: Path) -> None:
    rows = simulated_tickets()
    queue, place = rows["queue"], rows["queue"].replace_strict(dict(zip(CLASSES, range(4), strict=True)))
    keep = (queue != "outage") | (pl.int_range(len(rows), eager=True) == 60 * 20 + 7)
    changed = {
        "a class without rows": rows.filter(queue != "outage"),
        "a class with one row": rows.filter(keep).with_columns(
            queue=pl.when(pl.col("ticket") == 60 * 20 + 7).then(pl.lit("outage")).otherwise("queue")
        ),
        "the label is a feature": rows.with_columns(amounts=place),
        "shuffled labels": rows.with_columns(queue=queue.shuffle(seed=1)),
    }[fault]
    use_case = declared(training=TICKETS["training"] | {"learners": TICKETS["training"]["learners"][:2]})
    model = made(use_case, training_rows(use_case, AS_OF, changed), tmp_path / "run")
    verdict, _ = model.judged()
    result = gate(verdict, red)
    assert not result.passed, result
    assert not verdict.passed
    if red == "training_data":
        assert f"outage ({int('one' in fault)} rows)" in result.explanation
    if red == "single_feature":
        assert "carries the score: amounts" in result.explanation


def test_labels_all_one_class_stop_the_training_and_say_so(tmp_path: Path) -> None:
    use_case = declared()
    frame = training_rows(use_case, AS_OF, simulated_tickets().with_columns(queue=pl.lit("billing")))
    with pytest.raises(ValueError, match="labels are of one class; two are needed to learn, so train on more days"):
        made(use_case, frame, tmp_path / "run")


def test_a_floor_on_the_worst_class_sees_what_accuracy_hides(tickets: Made, tmp_path: Path) -> None:
    use_case = declared(
        training=TICKETS["training"]
        | {"learners": [*TICKETS["training"]["learners"][:1], {"name": "rule", "kind": "rule", "feature": "amounts"}]},
        gates={**TICKETS["gates"], "behaviour": []},
    )
    verdict, _ = made(use_case, tickets.frame, tmp_path / "run").judged()
    assert not gate(verdict, "floor_worst_class_recall").passed
    assert gate(verdict, "floor_worst_class_recall").measured == 0.0, (
        "a rule with two sides never names the other two classes"
    )


def test_the_card_and_the_run_show_every_class(tickets: Made) -> None:
    folder = tickets.run.folder / TRACKING
    confused = json.loads((folder / CURVES_FILE).read_text())["confusion"]
    assert confused["classes"] == list(CLASSES)
    assert np.sum(confused["rows"]) == len(tickets.comparison.latest_rows)
    assert [one["name"] for one in json.loads((folder / CLASSES_FILE).read_text())] == list(CLASSES)
    _, evidence = tickets.judged()
    page = render_card(CardSources(tickets.use_case, tickets.version, tickets.run, evidence))
    assert "Class by class" in page
    assert "rows of each class" in page
    assert all(f">{name}</td>" in page for name in CLASSES)
    assert "What a threshold means" not in page
    assert set(tickets.run.latest_fold()["label"]) <= set(CLASSES)
    assert TASKS["multiclass"].label_statistics(tickets.frame["queue"], CLASSES)["rows_by_class"]["other"] > 0


def test_feature_quality_scores_features_against_all_classes(tickets: Made) -> None:
    rows = tickets.frame.with_columns(
        length=pl.col("queue").replace_strict(dict(zip(CLASSES, (3.0, 1.0, 4.0, 2.0), strict=True)))
    )
    found = feature_quality(rows, tickets.use_case, instability=lambda a, b: 0.0, period_days=7, largest_score=0.98)
    assert [profile.feature for profile in found.leaking] == ["length"]
    assert all(profile.correlation is None for profile in found.features), "classes have no order"


class Store:
    """An online store that knows nobody."""

    def vector(self, event: Mapping[str, Any]) -> Any:
        values = [float(event[name]) if event[name] is not None else np.nan for name in ("length", "amounts", "errors")]
        return type("Vector", (), {"values": [*values, 1.0], "unknown_entities": ["customer"], "too_late_for": ()})()

    def announce(self, event: Mapping[str, Any], mark: Any = None) -> None: ...

    def record(self, event: Mapping[str, Any]) -> None: ...


@dataclass
class Service:
    """The service's routes over a release of the model, without a server."""

    runtime: Runtime
    app: Any

    def post(self, route: str, body: Any) -> httpx.Response:
        import asyncio

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await client.post(f"/v1/ticket_queue/{route}", json=body)

        return asyncio.run(send())


def released(model: Made, folder: Path) -> PackedRelease:
    info = release_info(model.use_case, model.version, model.run)
    write_release(folder, model.use_case, model.run.predictor_folder, info)
    return read_release(folder)


@pytest.fixture
def service(tickets: Made, tmp_path: Path) -> Service:
    release = released(tickets, tmp_path / "release")
    predictor, store = release.load_predictor(), cast(Any, Store())
    settings = ServingSettings(feast={}, log_folder=tmp_path / "log")
    runtime = Runtime(
        release=release,
        digest="sha256:" + "ab" * 32,
        settings=settings,
        scorer=Scorer(release.use_case, release.info, "sha256:" + "ab" * 32, predictor, store),
        online=store,
        log=PredictionLog(settings.log_folder, "sha256:" + "ab" * 32, settings.log_segment_bytes),
        metrics=ServiceMetrics(release.use_case, "digest", "1", CollectorRegistry()),
        record_queue=Background("record", 1000),
    )
    app = make_app(release.use_case)
    app.state.runtime = runtime
    return Service(runtime, app)


def events(tickets: pl.DataFrame) -> list[dict[str, Any]]:
    return list(tickets.drop("queue").iter_rows(named=True))


def test_the_service_answers_the_class_and_the_log_is_watched(service: Service, tickets: Made) -> None:
    live = simulated_tickets().filter(pl.col("ticket") >= 60 * 24).head(240)
    answers = [service.post("score", event) for event in events(live)]
    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    first = answers[0].json()
    assert list(first["probabilities"]) == list(CLASSES)
    assert first["class"] == max(first["probabilities"], key=lambda name: first["probabilities"][name])
    assert "decision" not in first
    model = answer_model(tickets.use_case)
    assert model.model_validate_json(answers[0].content).model_dump(by_alias=True)["class"] == first["class"]
    assert set(model.model_json_schema()["$defs"]["Probabilities"]["properties"]) == set(CLASSES)
    service.runtime.close()

    use_case = tickets.use_case
    read = read_segments(service.runtime.settings.log_folder, use_case)
    assert (read.frame.height, read.bad_lines) == (240, ())
    row = read.frame.filter(pl.col("ticket") == live["ticket"][0]).row(0, named=True)
    assert row["probabilities"] == list(first["probabilities"].values())
    assert (row["decision"], row["score"]) == (first["class"], max(first["probabilities"].values()))

    rows = tickets.frame.filter(pl.col("event_day") < AS_OF - timedelta(days=8))
    probabilities = tickets.run.predictor().predict(read_dataset(use_case, rows).X)
    names = pl.Series([CLASSES[place] for place in probabilities.argmax(axis=1)])
    reference = reference_frame(rows, use_case, pl.Series(probabilities.max(axis=1)), names)
    window = watch_window(read.frame, reference, use_case, AS_OF + timedelta(days=3))
    assert [one.column for one in window.result.columns][:2] == ["score", "decision"]
    assert {one.column: one.status for one in window.result.columns}["decision"] == "ok"

    labels = live.with_columns(event_day=pl.col("opened_at").str.to_datetime(time_zone="UTC").dt.date())
    joined = join_labels(read.frame, labels, use_case, TODAY)
    promised = tickets.comparison.means(tickets.version.tags["learner"])
    trained = tickets.version.tag_json(CLASS_ROWS_TAG)
    good = production_quality(joined, use_case, promised, None, class_rows=trained)
    assert good.passed, good.explanation
    assert good.label_rate is None
    flood = joined.with_columns(queue=pl.lit("outage"))
    bad = production_quality(flood, use_case, promised, None, class_rows=trained)
    assert "queue=outage" in {violation.name for violation in bad.violations}
    assert "1 of 4 classes have 10 labelled rows; two are needed" in bad.explanation
    fewer = joined.with_columns(pl.col("probabilities").list.head(3))
    with pytest.raises(OtherClasses, match="240 of 240 logged predictions have not 4 probabilities"):
        production_quality(fewer, use_case, promised, None)


def test_rows_of_features_and_the_self_test_see_all_classes(service: Service) -> None:
    rows = service.runtime.release.info.self_test
    answers = service.post("predict", {"rows": [row.features for row in rows]}).json()["predictions"]
    assert max(_difference(_score(answer), row.score) for answer, row in zip(answers, rows, strict=True)) == 0.0
    assert _difference([0.5, 0.5], (0.5, 0.25, 0.25)) == float("inf")
    assert _difference(0.5, 0.25) == 0.25


def test_a_release_of_other_classes_does_not_start(tickets: Made, tmp_path: Path) -> None:
    sources = deepcopy(TICKETS["sources"])
    sources[1]["columns"][2]["allowed"] = [*reversed(CLASSES)]
    turned = Made(declared(sources=sources), tickets.frame, tickets.version, tickets.run, tickets.comparison)
    with pytest.raises(PackedReleaseError, match="the model tells billing, outage, how to, other apart"):
        released(turned, tmp_path / "release").load_predictor()


def test_a_day_is_predicted_in_batch_as_the_service_would(tickets: Made) -> None:
    rows = tickets.frame.filter(pl.col("event_day") == FIRST_DAY).with_columns(customer=pl.lit("C001"))
    found = predict_rows(tickets.use_case, rows, tickets.run.predictor(), tickets.version)
    assert found["probabilities"].list.len().unique().to_list() == [4]
    assert found["score"].to_list() == found["probabilities"].list.max().to_list()
    assert set(found["decision"]) <= set(CLASSES)
    assert datetime.now(UTC) - found["scored_at"][0] < timedelta(hours=1)
    assert predict_rows(tickets.use_case, rows.clear(), tickets.run.predictor(), tickets.version).is_empty()
    name = tickets.use_case.feature_names[0]
    infinite = rows.with_columns(pl.lit(float("inf")).alias(name))
    with pytest.raises(
        FeatureError, match=f"feature '{name}' of view .* is infinite in {rows.height} of {rows.height} rows"
    ):
        predict_rows(tickets.use_case, infinite, tickets.run.predictor(), tickets.version)
    sources = deepcopy(TICKETS["sources"])
    sources[1]["columns"][2]["allowed"] = [*CLASSES, "sales"]
    with pytest.raises(
        PredictionError, match=r"tells billing, outage, how to, other apart, but billing, .*, sales are declared"
    ):
        predict_rows(declared(sources=sources), rows, tickets.run.predictor(), tickets.version)
