"""What every kind of task does, whatever its label is: each of the registry, and one that only this test knows.

Belongs here: declared, measured, answered, logged, judged, watched and drawn, by the same questions. Does not belong here: what a metric of
one kind computes (`unit/evaluation`), the service around an answer (`unit/serving`).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.declaration.tasks.registry import DECLARED_TASKS, is_higher_better
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.judged_model import alone
from platform_assets.evaluation.metrics.bootstrap import clusters_of, paired_difference
from platform_assets.lake.schemas import watched_columns
from platform_assets.monitoring.quality import join_labels, production_quality
from platform_assets.tasks.base import FoldRows, TrainingLabels
from platform_assets.tasks.registry import TASKS
from platform_assets_tests.contracts.members.quantile import DECLARED
from platform_assets_tests.contracts.task_worlds import AS_OF, World, make_world
from serving.request import answer_model

PNG = b"\x89PNG"


@pytest.fixture(scope="module", params=[*TASKS.names, "quantile"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A model of each kind."""
    with ExitStack() as stack:
        if request.param == "quantile":
            stack.enter_context(DECLARED_TASKS.with_member("quantile", DECLARED))
        yield make_world(request.param, tmp_path_factory.mktemp(request.param))


def training_labels(world: World, **changes: Any) -> TrainingLabels:
    predictor = world.model.predictor
    trained_on = predictor.trained_on
    by_class = dict(zip(predictor.classes, trained_on.class_rows, strict=True))
    return TrainingLabels(**{"rows": trained_on.rows, "mean": trained_on.label_mean, "class_rows": by_class, **changes})


def log_of(world: World) -> pl.DataFrame:
    """The latest fold as the prediction log would hold it."""
    model = world.model
    answered = world.task.log_columns(world.use_case, model.prediction, model.predictor.classes)
    rows = model.columns.select("visit", "at", "event_day")
    return rows.with_columns(pl.Series(values).alias(name) for name, values in answered.items()).with_columns(
        request_id=pl.col("visit").cast(pl.String), scored_at=pl.col("at"), model_version=pl.lit("1")
    )


def labels_of(world: World) -> pl.DataFrame:
    return world.model.columns.select("visit", "event_day", world.use_case.label.column)


def test_the_declaration_and_the_behaviour_are_of_one_kind(world: World) -> None:
    assert world.use_case.task is world.task.declared
    assert world.use_case.model_name == world.task.declared.model_name
    assert DECLARED_TASKS[world.use_case.training.task] is world.task.declared


def test_every_declared_metric_is_measured_and_knows_its_direction(world: World) -> None:
    for name, higher in world.task.declared.metrics.items():
        metric = world.task.metric(name)
        assert metric.name == name
        assert metric.higher_is_better is higher is is_higher_better(name)
    for name in world.use_case.training.metrics:
        assert np.isfinite(world.task.metric(name)(world.scored)), name
    with pytest.raises(ValueError, match="does not exist; the metrics are"):
        world.task.metric("beauty")


def test_a_metric_from_sums_of_clusters_is_the_metric(world: World) -> None:
    cluster, _ = clusters_of(world.scored)
    once = np.ones(int(cluster.max()) + 1, dtype=np.int64)
    for name in world.use_case.training.metrics:
        metric = world.task.metric(name)
        if metric.by_cluster is not None:
            assert metric.by_cluster(world.scored, cluster)(once) == pytest.approx(metric(world.scored)), name


def test_the_winner_beats_the_baseline_with_confidence(world: World) -> None:
    by = world.use_case.training.select_by
    baseline = world.comparison.latest_scored("constant")
    difference = paired_difference(world.task.metric(by), world.scored, baseline, 0.9)
    assert difference.lower > 0.0


def test_the_service_and_the_batch_answer_and_log_the_same(world: World) -> None:
    answers = world.task.answers(world.use_case)
    answered = [answers(output) for output in world.model.prediction.tolist()]
    columns = world.task.log_columns(world.use_case, world.model.prediction, world.model.predictor.classes)
    assert [answer.score for answer in answered] == columns["score"].to_list()
    assert [answer.decision for answer in answered] == columns["decision"].to_list()
    assert set(columns) == {"score", "decision", *world.task.declared.log_columns}
    for name, of in world.task.declared.log_columns.items():
        assert columns[name].dtype == of
        assert [answer.logged[name] for answer in answered] == columns[name].to_list()
        assert prediction_log_schema(world.use_case)[name] == of
    possible = set(world.task.decisions(world.use_case)) or {None}
    assert {answer.decision for answer in answered} <= possible


def test_an_answer_is_what_the_answer_model_says(world: World) -> None:
    answer = world.task.answers(world.use_case)(world.model.prediction[:1].tolist()[0])
    body = {**answer.fields, "model_version": "1", "request_id": "r"}
    parsed = answer_model(world.use_case).model_validate_json(json.dumps(body))
    assert set(answer.fields) <= set(type(parsed).model_fields)
    assert set(world.task.answer_fields(world.use_case)) == set(answer.fields)


def test_predictions_are_read_back_from_the_log(world: World) -> None:
    logged = world.task.logged_predictions(log_of(world), world.use_case)
    np.testing.assert_array_equal(logged, world.model.prediction)
    assert set(world.task.drift_columns) <= set(watched_columns(world.use_case))
    assert set(watched_columns(world.use_case)) <= set(prediction_log_schema(world.use_case))


def test_a_good_model_passes_its_gates_and_too_little_data_does_not(world: World) -> None:
    verdict = judge(world.model, alone(world.model), AS_OF, has_champion=False)
    assert [gate.name for gate in verdict.gates] == gate_names(world.use_case.gates, world.use_case.task)
    assert [gate.explanation for gate in verdict.gates if not gate.passed] == []
    assert world.task.enough_data(training_labels(world), world.use_case).passed
    assert not world.task.enough_data(training_labels(world, rows=3), world.use_case).passed


def test_one_feature_alone_predicts_as_the_model_does(world: World) -> None:
    rows = world.model.judged
    assert world.task.nothing_to_learn(rows.y) is None
    assert world.task.nothing_to_learn(rows.y[:0]) is not None
    settings = {"max_leaf_nodes": 8, "random_state": 0}
    alone_ = world.task.predict_by_tree(rows.X[:, :1], rows.y, rows.X[:, :1], len(rows.classes), settings)
    assert alone_.shape == world.model.prediction.shape


def test_a_window_as_in_training_is_in_order_and_other_labels_are_named(world: World) -> None:
    joined = join_labels(log_of(world), labels_of(world), world.use_case, AS_OF + timedelta(days=9))
    by, labels = world.use_case.training.select_by, training_labels(world)
    reference = {by: world.task.metric(by)(world.scored)}
    use_case = world.use_case.model_copy(
        update={"monitoring": world.use_case.monitoring.model_copy(update={"min_rows": 50})}
    )
    result = production_quality(joined, use_case, reference, labels.mean, class_rows=labels.class_rows)
    assert result.status == "ok", result.explanation
    odd = np.full(200, 1.0 if use_case.task.has_probabilities else 3.0 * float(world.scored.y.mean()))
    assert world.task.moved_labels(world.scored.y, use_case, labels) == []
    [(what, sentence), *_] = world.task.moved_labels(odd, use_case, training_labels(world, mean=(labels.mean or 0) / 3))
    assert what.startswith(use_case.label.column)
    assert sentence.endswith(".")


def test_it_can_be_drawn_and_written_down(world: World) -> None:
    y, prediction = world.scored.y, world.model.prediction
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (slice(None), slice(0, 0)):
            picture = world.task.plot(world.use_case, y[rows], {"model": prediction[rows], "other": prediction[rows]})
            assert picture.startswith(PNG)
    judged = world.model.judged
    fold = FoldRows(y, prediction, judged.event_day, judged.X, judged.features)
    for plain in (
        world.task.curves(world.use_case, y, prediction, 50),
        world.task.details(world.use_case, fold),
        world.task.label_statistics(world.frame[world.use_case.label.column], world.use_case.classes),
        world.task.training_parameters(training_labels(world)),
    ):
        json.dumps(plain, allow_nan=False)
    what, figure = world.task.label_note(training_labels(world))
    assert what
    assert figure
