"""Each model gate goes red on the fault that it is meant for: no champion moves, no service is built, nothing is deployed.

Belongs here: the gates between a training set and a deployment, on models that are trained for real. Does not belong
here: gates on data (`test_data_gates.py`), or a deployment that succeeds (`deploy/`).
"""

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.names import PREDICTION_LOG
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.declaration.sections.gates import Bypass, Floor
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import PARITY_SCHEMA
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.registry.base import CHALLENGER
from platform_assets.registry.base import CHAMPION as CHAMPION_ALIAS
from platform_assets.registry.training_run import SAMPLE_FILE, read_model_run

from .model_world import (
    AS_OF,
    CHAIN,
    CHAMPION,
    CONSTANT,
    DEPLOYMENT,
    EVALUATION,
    FIRST_DAY,
    LATER,
    LOGISTIC,
    LOOSE,
    MODEL,
    SERVICE,
    ModelWorld,
    copied,
    declared,
    learner,
    new_world,
)

LEARNED_NOTHING = learner("random_forest", n_estimators=1, max_depth=1, threads=1)
OVERCONFIDENT = learner("logistic_regression", class_weight="balanced")
NAME = "card_fraud"


@pytest.fixture(scope="session")
def model_world(tmp_path_factory: pytest.TempPathFactory) -> ModelWorld:
    """A world whose first model is champion."""
    world = new_world(tmp_path_factory, tmp_path_factory.mktemp("models") / "world")
    assert world.materialize([MODEL, EVALUATION, CHAMPION], as_of=AS_OF).success
    return world


@pytest.fixture
def world(model_world: ModelWorld, tmp_path: Path) -> ModelWorld:
    return copied(model_world, tmp_path / "world")


def started(result: dg.ExecuteInProcessResult) -> set[str]:
    """Last part of the key of every asset whose step started."""
    return {event.step_key.split("__")[-1] for event in result.all_events if event.event_type_value == "STEP_START"}


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def evidence(result: dg.ExecuteInProcessResult, gate: str) -> dict[str, Any]:
    [found] = [item for item in result.get_asset_check_evaluations() if item.check_name == gate]
    return {name: value.value for name, value in found.metadata.items()}


def failures(result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(
        event.step_failure_data.error_display_string
        for event in result.all_events
        if event.event_type_value == "STEP_FAILURE"
    )


def champion(world: ModelWorld) -> str | None:
    version = world.registry.by_alias(NAME, CHAMPION_ALIAS)
    return version.version if version else None


def actions(world: ModelWorld) -> list[tuple[str, str]]:
    return [(row["action"], row["model_version"]) for row in world.ledger.entries(NAME).iter_rows(named=True)]


def assert_stopped_at(world: ModelWorld, result: dg.ExecuteInProcessResult, *gates: str) -> None:
    """The run went red at these gates and no others, and nothing behind them started or changed."""
    assert not result.success
    found = verdicts(result)
    assert {name for name, passed in found.items() if not passed} == set(gates)
    assert started(result) == {"classifier", "evaluation"}
    challenger = world.registry.by_alias(NAME, CHALLENGER)
    assert challenger is not None
    assert challenger.tags["as_of"] == LATER.isoformat(), "the model is kept, to be looked at"
    assert champion(world) == "1"
    assert actions(world) == [("promoted", "1")]
    assert {path.name for path in world.home.glob("*")} <= {"reports"}, "it has its card; nothing was deployed"


def test_a_good_model_is_promoted_and_the_ledger_says_why(world: ModelWorld) -> None:
    result = world.materialize([MODEL, EVALUATION, CHAMPION], as_of=LATER)
    assert result.success
    assert verdicts(result) == dict.fromkeys(gate_names(world.use_case.gates, world.use_case.task), True)
    told = evidence(result, "no_worse_than_champion")
    assert told["measured"] >= told["bound"]
    assert champion(world) == "2"
    assert actions(world) == [("promoted", "1"), ("promoted", "2")]
    entry = world.ledger.entries(NAME).row(-1, named=True)
    assert entry["previous_version"] == "1"
    kept = json.loads(entry["evidence"])
    assert kept["passed"] is True
    assert kept["model_version"] == "2"
    assert {gate["name"] for gate in kept["gates"]} == set(gate_names(world.use_case.gates, world.use_case.task))
    assert entry["run_id"] == result.run_id


def test_shuffled_labels_miss_the_floors(world: ModelWorld) -> None:
    """Labels that say nothing about their transactions: the base rate is as ever, what can be learned is gone."""
    shuffled = [{"kind": "concept_drift", "column": "is_fraud"}]
    world.load(["labels"], (FIRST_DAY, LATER - timedelta(days=7)), labels=shuffled)
    floors = (Floor(metric="auc_roc", bound=0.7), Floor(metric="average_precision", bound=0.3))
    use_case = declared(gates=LOOSE.model_copy(update={"floors": floors}))
    assert world.materialize([("training", "training_set")], as_of=LATER).success
    result = world.materialize(CHAIN, as_of=LATER, use_case=use_case)
    found = verdicts(result)
    assert not found["floor_auc_roc"]
    assert not found["floor_average_precision"]
    assert_stopped_at(world, result, *(name for name, passed in found.items() if not passed))
    assert evidence(result, "floor_auc_roc")["measured"] < 0.6


def test_too_few_rows_are_no_training_period(world: ModelWorld) -> None:
    use_case = declared(gates=LOOSE.model_copy(update={"min_training_rows": 1_000_000}))
    result = world.materialize(CHAIN, as_of=LATER, use_case=use_case)
    assert_stopped_at(world, result, "training_data")
    assert evidence(result, "training_data")["measured"] < 1_000_000


def test_too_few_positives_are_no_training_period(world: ModelWorld) -> None:
    use_case = declared(gates=LOOSE.model_copy(update={"min_positives": 100_000}))
    result = world.materialize(CHAIN, as_of=LATER, use_case=use_case)
    assert_stopped_at(world, result, "training_data")
    assert "positives (at least 100,000)" in evidence(result, "training_data")["explanation"]


def test_a_model_no_better_than_a_baseline_is_stopped(world: ModelWorld) -> None:
    """The candidate is the baseline itself under another name: a tie is not enough."""
    twin = LOGISTIC.model_copy(update={"name": "twin", "baseline": False})
    gates = LOOSE.model_copy(update={"champion_tolerance": 0.5})
    result = world.materialize(CHAIN, as_of=LATER, use_case=declared((CONSTANT, LOGISTIC, twin), gates))
    assert_stopped_at(world, result, "beats_baselines")
    assert "logistic_regression" in evidence(result, "beats_baselines")["explanation"]


def test_a_model_worse_than_the_champion_is_stopped(world: ModelWorld) -> None:
    """It beats the constant, and loses against what serves, on rows that neither was trained on."""
    result = world.materialize(CHAIN, as_of=LATER, use_case=declared((CONSTANT, LEARNED_NOTHING)))
    assert_stopped_at(world, result, "no_worse_than_champion")
    told = evidence(result, "no_worse_than_champion")
    assert told["measured"] < told["bound"]


def test_a_missed_floor_stops(world: ModelWorld) -> None:
    floors = (Floor(metric="auc_roc", bound=0.5), Floor(metric="group_precision_at_100", bound=0.9))
    result = world.materialize(CHAIN, as_of=LATER, use_case=declared(gates=LOOSE.model_copy(update={"floors": floors})))
    assert_stopped_at(world, result, "floor_group_precision_at_100")


def test_probabilities_that_promise_too_much_stop(world: ModelWorld) -> None:
    gates = LOOSE.model_copy(update={"max_calibration_error": 0.01, "champion_tolerance": 0.5})
    result = world.materialize(CHAIN, as_of=LATER, use_case=declared((CONSTANT, OVERCONFIDENT), gates))
    assert_stopped_at(world, result, "calibration", "mean_prediction")
    assert evidence(result, "calibration")["measured"] > 0.01
    assert evidence(result, "mean_prediction")["measured"] > 2.0, "times as much fraud as there is"


def test_one_class_on_the_rows_to_compare_is_a_red_gate_and_no_traceback(world: ModelWorld) -> None:
    """The only day that the champion was not trained on has no fraud: ranking metrics do not exist there."""
    as_of = AS_OF + timedelta(days=1)
    day = as_of - timedelta(days=world.use_case.label_delay_days)
    table = world.resources()["lake"].table(NAME, "clean", "labels", world.use_case.label_source.polars_schema())
    table.write_partitions(table.read(day, day).with_columns(is_fraud=pl.lit(0, pl.Int8)), day, day)
    result = world.materialize([("training", "training_set"), *CHAIN], as_of=as_of)
    assert {name for name, passed in verdicts(result).items() if not passed} == {"no_worse_than_champion"}
    assert "could not be computed" in evidence(result, "no_worse_than_champion")["explanation"]
    assert started(result) == {"training_set", "classifier", "evaluation"}
    assert champion(world) == "1"


def test_an_older_model_does_not_replace_a_newer_champion(world: ModelWorld) -> None:
    """Every row of its fold was seen by the champion: nothing can be proven, and that is red."""
    assert world.materialize([MODEL, EVALUATION, CHAMPION], as_of=LATER).success
    result = world.materialize(CHAIN, as_of=AS_OF)
    assert {name for name, passed in verdicts(result).items() if not passed} == {"no_worse_than_champion"}
    assert "no rows that the champion was not trained on" in evidence(result, "no_worse_than_champion")["explanation"]
    assert champion(world) == "2"
    assert started(result) == {"classifier", "evaluation"}


def test_a_model_trained_again_as_of_the_same_day_is_compared_out_of_fold(world: ModelWorld) -> None:
    """A run that was broken off after the promotion can be started again, and a worse learner is still stopped."""
    again = world.materialize([MODEL, EVALUATION, CHAMPION], as_of=AS_OF)
    assert again.success, failures(again)
    told = evidence(again, "no_worse_than_champion")
    assert told["measured"] == pytest.approx(told["bound"] + world.use_case.gates.champion_tolerance)
    assert champion(world) == "2"
    worse = world.materialize(CHAIN, as_of=AS_OF, use_case=declared((CONSTANT, LEARNED_NOTHING)))
    assert {name for name, passed in verdicts(worse).items() if not passed} == {"no_worse_than_champion"}
    assert champion(world) == "2"


def test_a_champion_that_needs_features_of_the_past_stops(world: ModelWorld) -> None:
    serving = world.use_case.serving
    assert serving.decision is not None
    # What a missed fraud costs was the amount, which is no feature any more.
    decision = serving.decision.model_copy(update={"costs": None})
    narrower = world.use_case.model_copy(
        update={
            "features": tuple(view for view in world.use_case.features if view.name != "transaction_context"),
            "serving": serving.model_copy(update={"decision": decision}),
        }
    )
    shutil.rmtree(world.lake_root / NAME / "training")
    shutil.rmtree(world.lake_root / NAME / "known" / "training")
    result = world.materialize([("training", "training_set"), *CHAIN], as_of=LATER, use_case=narrower)
    assert {name for name, passed in verdicts(result).items() if not passed} == {"no_worse_than_champion"}
    assert "is_night" in evidence(result, "no_worse_than_champion")["explanation"]
    assert champion(world) == "1"


def test_a_bypass_lets_its_gate_pass_and_is_kept_with_the_promotion(world: ModelWorld) -> None:
    bypass = Bypass(gate="floor_auc_roc", who="head of risk", why="agreed for the pilot", until=date(2999, 1, 1))
    gates = LOOSE.model_copy(update={"floors": (Floor(metric="auc_roc", bound=0.99),), "bypasses": (bypass,)})
    result = world.materialize([MODEL, EVALUATION, CHAMPION], as_of=LATER, use_case=declared(gates=gates))
    assert result.success
    assert "head of risk" in evidence(result, "floor_auc_roc")["bypass"]
    assert "head of risk" in world.ledger.entries(NAME)["evidence"][-1]


def test_an_expired_bypass_stops(world: ModelWorld) -> None:
    bypass = Bypass(gate="floor_auc_roc", who="head of risk", why="agreed for the pilot", until=date(2001, 1, 1))
    gates = LOOSE.model_copy(update={"floors": (Floor(metric="auc_roc", bound=0.99),), "bypasses": (bypass,)})
    result = world.materialize(CHAIN, as_of=LATER, use_case=declared(gates=gates))
    assert_stopped_at(world, result, "floor_auc_roc")


@contextmanager
def spoilt(path: Path, content: bytes) -> Iterator[None]:
    """A file with other content, for as long as the block lasts: the champion's files belong to all tests."""
    kept = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(kept)


def assert_not_served(world: ModelWorld, result: dg.ExecuteInProcessResult) -> None:
    """The self-test is not green, deployment did not start, and asking for it alone is refused."""
    assert not result.success
    assert verdicts(result).get("self_test") is not True
    assert started(result) == {"service"}
    version = world.registry.by_alias(NAME, CHAMPION_ALIAS)
    assert version is not None
    assert DIGEST_TAG not in version.tags
    alone = world.materialize([DEPLOYMENT], as_of=AS_OF)
    assert not alone.success
    assert "no service was built for version 1" in failures(alone)
    assert actions(world) == [("promoted", "1")]
    assert not (world.home / "serving").exists()


def test_a_model_that_was_damaged_after_registration_is_not_served(world: ModelWorld) -> None:
    folder = read_model_run(world.registry.run_folder(world.registry.get(NAME, "1"))).predictor_folder
    payload = next(path for path in sorted(folder.iterdir()) if path.name != "model.json")
    content = payload.read_bytes()
    with spoilt(payload, content[:-1] + bytes([content[-1] ^ 1])):
        result = world.materialize([SERVICE, DEPLOYMENT], as_of=AS_OF)
        assert_not_served(world, result)
        assert payload.name in failures(result)
        judged = world.materialize([EVALUATION, CHAMPION], as_of=AS_OF)
        assert started(judged) == {"evaluation"}, "a damaged model is not judged either"


def test_a_service_that_answers_otherwise_than_the_model_is_not_deployed(world: ModelWorld) -> None:
    path = world.registry.run_folder(world.registry.get(NAME, "1")) / SAMPLE_FILE
    wrong = io.BytesIO()
    pl.read_parquet(path).with_columns(pl.col("score") + 0.01).write_parquet(wrong)
    with spoilt(path, wrong.getvalue()):
        result = world.materialize([SERVICE, DEPLOYMENT], as_of=AS_OF)
    assert verdicts(result) == {"self_test": False}
    assert "self-test rows differ" in evidence(result, "self_test")["explanation"]
    assert_not_served(world, result)


@pytest.mark.parametrize("change", ["a feature less", "a feature more"])
def test_a_champion_that_does_not_fit_the_declaration_is_a_red_self_test(world: ModelWorld, change: str) -> None:
    """The features were changed after the promotion: the check says so, instead of having no result."""
    context = next(view for view in world.use_case.features if view.name == "transaction_context")
    more = context.rows[0].model_copy(update={"name": "half_amount", "expression": "amount / 2"})
    rows = context.rows[:-1] if change == "a feature less" else (*context.rows, more)
    views = tuple(
        view.model_copy(update={"rows": rows}) if view is context else view for view in world.use_case.features
    )
    result = world.materialize([SERVICE], as_of=AS_OF, use_case=world.use_case.model_copy(update={"features": views}))
    assert not result.success
    assert verdicts(result) == {"self_test": False}
    assert "train a model for this declaration" in evidence(result, "self_test")["explanation"]


def test_a_service_that_answers_like_the_model_is_built_and_a_changed_one_is_not_deployed(world: ModelWorld) -> None:
    result = world.materialize([SERVICE], as_of=AS_OF)
    assert result.success, failures(result)
    assert verdicts(result) == {"self_test": True}
    assert evidence(result, "self_test")["max_difference"] <= 1e-6
    packed = next((world.home / "bentos").rglob("src/serving/app.py"))
    packed.write_text(packed.read_text() + "\n")
    deployed = world.materialize([DEPLOYMENT], as_of=AS_OF)
    assert not deployed.success
    assert "it was changed since" in failures(deployed)
    assert not (world.home / "serving").exists()


def test_only_the_champion_is_served(world: ModelWorld) -> None:
    assert world.materialize([MODEL], as_of=LATER).success
    for step in (SERVICE, DEPLOYMENT):
        result = world.materialize([step], as_of=LATER)
        assert not result.success
        assert "the champion is 1" in failures(result)
    assert not world.home.exists()


def test_a_model_that_was_not_evaluated_is_not_promoted(world: ModelWorld) -> None:
    """Silence is failure: without a verdict there is no promotion, and with another version's there is none either."""
    assert world.materialize([MODEL], as_of=LATER).success
    result = world.materialize([CHAMPION], as_of=LATER)
    assert not result.success
    assert "was not evaluated" in failures(result)
    assert champion(world) == "1"


def test_no_model_is_promoted_while_features_differ_online_and_offline(world: ModelWorld) -> None:
    """Predictions that nobody compared, or that differ from the offline path, keep every alias where it is."""
    lake, use_case, day = Lake(root=str(world.lake_root)), world.use_case, AS_OF - timedelta(days=1)
    schema = prediction_log_schema(use_case)
    log = pl.DataFrame([dict.fromkeys(schema) | {EVENT_DAY: day}] * 3, schema=schema)
    lake.table(NAME, "serving", PREDICTION_LOG, schema).write_partitions(log, day, day)
    result = world.materialize([CHAMPION], as_of=AS_OF)
    assert not result.success
    assert f"3 of 3 predictions of {day} were never compared" in failures(result)
    verdict = dict.fromkeys(PARITY_SCHEMA) | {"predictions": 3, "not_comparable": 0, EVENT_DAY: day}
    for passed in (False, True):
        row = verdict | {"passed": passed, "explanation": "customer_count_1d of customer_id=7 at noon"}
        Catalog(use_case, lake).parity.write_partitions(pl.DataFrame([row], schema=PARITY_SCHEMA), day, day)
        result = world.materialize([CHAMPION], as_of=AS_OF)
        assert result.success == passed
        if not passed:
            assert "no model is promoted while features differ" in failures(result)
            assert "customer_count_1d of customer_id=7 at noon" in failures(result)
    assert champion(world) == "1"


def test_promoting_a_model_whose_gates_failed_is_refused_and_recorded(world: ModelWorld) -> None:
    use_case = declared(gates=LOOSE.model_copy(update={"floors": (Floor(metric="auc_roc", bound=0.99),)}))
    assert not world.materialize(CHAIN, as_of=LATER, use_case=use_case).success
    result = world.materialize([CHAMPION], as_of=LATER, use_case=use_case)
    assert not result.success
    assert "its gates did not pass" in failures(result)
    assert champion(world) == "1"
    assert actions(world) == [("promoted", "1"), ("refused", "2")]


def test_a_damaged_model_is_neither_judged_nor_compared_with(world: ModelWorld) -> None:
    folder = read_model_run(world.registry.run_folder(world.registry.get(NAME, "1"))).predictor_folder
    (path,) = folder.glob("*.skops")
    with spoilt(path, path.read_bytes()[:-1] + b"?"):
        judged = world.materialize([EVALUATION, CHAMPION], as_of=AS_OF)
        compared = world.materialize([MODEL, EVALUATION, CHAMPION], as_of=LATER)
    for result in (judged, compared):
        assert not result.success
        assert verdicts(result) == {}
        assert "champion" not in started(result)
        assert "does not match its manifest" in failures(result)
    assert champion(world) == "1"
