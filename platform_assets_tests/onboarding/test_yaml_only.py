"""A folder with a `defs.yaml` and CSV files becomes a scored request; no Python is written for it."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from platform_assets.features.consistency.parity import compare
from platform_assets.lake.layout import MODEL, MONITORING, QUARANTINE, RAW, SERVING
from platform_assets.lake.schemas import quarantine_schema
from platform_assets.registry.training_run import registered_run

from .conftest import Installed, Onboarded
from .machine_world import DAYS, PLANTED, ROWS_PER_DAY, RUNS_PER_DAY

FIRST_SEEN = {
    "inspection": "0410-new",
    "inspected_at": "2025-04-10T09:30:00+00:00",
    "machine": "M-never-seen",
    "site": "north",
    "product": "heavy",
    "temperature": 96.5,
    "torque": 71.0,
}


def test_every_bad_cell_is_in_quarantine_with_file_and_line(machine_failure: Onboarded) -> None:
    schema = quarantine_schema(machine_failure.use_case.source("inspections"))
    refused = machine_failure.table(QUARANTINE, "inspections", schema)
    found = {(row["source_position"], row["rule"], row["column"], row["value"]) for row in refused.to_dicts()}
    assert found == {(cell.position, cell.rule, cell.column, cell.text or None) for cell in PLANTED}
    row = json.loads(refused.filter(pl.col("source_position") == PLANTED[1].position)["row"][0])
    assert row["product"] == PLANTED[1].text, "the refused row is kept whole"
    accepted = machine_failure.clean("inspections")
    live = (machine_failure.days.live.last - machine_failure.use_case.history.first_day).days + 1
    assert accepted.height == live * ROWS_PER_DAY - len(PLANTED)
    assert accepted["torque"].null_count() > 0, "an empty cell of a nullable column is no fault"


def test_a_day_with_few_bad_rows_is_published_without_them(machine_failure: Onboarded) -> None:
    by_day = dict(machine_failure.clean("inspections")["event_day"].value_counts().iter_rows())
    assert by_day[PLANTED[0].day] == ROWS_PER_DAY - 2


def test_the_model_was_judged_promoted_and_deployed(machine_failure: Onboarded) -> None:
    assert machine_failure.ledger["action"].to_list() == ["promoted", "deployed"]
    assert set(machine_failure.ledger["model_version"]) == {machine_failure.champion.version}
    comparison = registered_run(machine_failure.models.registry(), machine_failure.champion).comparison
    assert set(comparison["candidates"]) == {"constant", "logistic_regression", "random_forest"}
    assert machine_failure.metadata(MODEL, "evaluation")["passed"] is True


def test_a_request_is_scored_at_the_deployed_address(machine_failure: Onboarded) -> None:
    answer = machine_failure.score(FIRST_SEEN)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert 0 <= body["probability"] <= 1
    assert body["decision"] == ("service" if body["probability"] >= 0.5 else "carry_on")
    assert body["model_version"] == machine_failure.champion.version
    assert body["request_id"]
    assert body["unknown_entities"] == ["machine"]


def test_hot_and_strained_machines_score_higher(machine_failure: Onboarded) -> None:
    scores = [
        machine_failure.score({**FIRST_SEEN, "temperature": temperature, "torque": torque}).json()["probability"]
        for temperature, torque in ((40.0, 10.0), (130.0, 110.0))
    ]
    assert scores[0] < scores[1]


def test_a_value_outside_the_declaration_is_refused_with_its_field(machine_failure: Onboarded) -> None:
    answer = machine_failure.score({**FIRST_SEEN, "product": "huge"})
    assert answer.status_code == 422
    assert "product" in {problem["field"] for problem in answer.json()["problems"]}
    assert machine_failure.score({**FIRST_SEEN, "torque": None}).status_code == 200, "torque may be missing"


def test_the_log_holds_every_answered_request_once(machine_failure: Onboarded) -> None:
    traffic, log = machine_failure.traffic, machine_failure.log()
    assert traffic is not None
    assert traffic.failures == []
    assert log.height == traffic.sent == 7 * ROWS_PER_DAY
    assert log["request_id"].n_unique() == log.height


def test_features_in_the_service_are_those_of_the_batch_path(machine_failure: Onboarded) -> None:
    """Windows over a text entity, a ratio of late labels, and rows computed from windows."""
    found = compare(machine_failure.log(), machine_failure.offline(), machine_failure.use_case)
    assert found.equal, "\n".join(map(str, found.examples))


def test_scores_in_the_log_are_the_models_own(machine_failure: Onboarded) -> None:
    predictor = registered_run(machine_failure.models.registry(), machine_failure.champion).predictor()
    log = machine_failure.log()
    X = log.select(pl.col(f"feature__{name}").fill_null(np.nan) for name in predictor.features).to_numpy()
    np.testing.assert_allclose(predictor.predict(np.ascontiguousarray(X)), log["score"].to_numpy(), atol=1e-9)


def test_the_service_is_watched(machine_failure: Onboarded) -> None:
    drift, quality = machine_failure.metadata(MONITORING, "drift"), machine_failure.metadata(MONITORING, "quality")
    assert drift["status"] == "ok", drift["failed_columns"]
    assert drift["rows"] == 7 * ROWS_PER_DAY
    assert Path(drift["report"]).stat().st_size > 10_000
    assert quality["status"] == "ok", quality["explanation"]
    assert quality["labelled_rows"] == 7 * ROWS_PER_DAY


def test_the_screen_tells_refused_rows_candidates_and_the_address(machine_failure: Onboarded) -> None:
    screen = machine_failure.screen
    assert f"{len(PLANTED)} refused" in screen
    assert "random_forest" in screen
    assert f"curl -s {machine_failure.address}/score" in screen


def test_a_second_run_has_nothing_left_to_do(machine_failure: Onboarded, installation: Installed) -> None:
    before = machine_failure.run_ids()
    again = installation.take_all_the_way(machine_failure.declared.folder)
    assert again.run_ids() == before
    assert again.traffic is None


def test_a_regression_is_judged_and_answers_a_value(energy_use: Onboarded) -> None:
    """Label in the event table, known at once; no entity, no window, no decision."""
    assert energy_use.ledger["action"].to_list() == ["promoted", "deployed"]
    assert energy_use.metadata(MODEL, "evaluation")["passed"] is True
    assert energy_use.metadata(RAW, "runs")["dagster/row_count"] == RUNS_PER_DAY
    request = {"run": 10**6, "started_at": "2025-04-10T05:00:00+00:00", "outside": 4.0}
    few, many = (energy_use.score({**request, "pieces": pieces}).json() for pieces in (10, 190))
    assert few["value"] < many["value"]
    assert set(few) == {"value", "model_version", "request_id"}


def test_a_regression_is_watched(energy_use: Onboarded) -> None:
    log = energy_use.log()
    assert log.height == 7 * RUNS_PER_DAY
    assert log["decision"].null_count() == log.height
    assert compare(log, energy_use.offline(), energy_use.use_case).exact
    drift, quality = energy_use.metadata(MONITORING, "drift"), energy_use.metadata(MONITORING, "quality")
    assert drift["status"] == "ok", drift["failed_columns"]
    assert quality["status"] == "ok", quality["explanation"]
    assert "production_rmse" in quality


def test_both_use_cases_share_one_address(machine_failure: Onboarded, energy_use: Onboarded) -> None:
    status = machine_failure.journey.installation.serving.target().status()
    assert set(status.use_cases) >= {"machine_failure", "energy_use"}
    assert all(use_case.serving for use_case in status.use_cases.values())
    assert (
        machine_failure.metadata(SERVING, "deployment")["address"]
        != energy_use.metadata(SERVING, "deployment")["address"]
    )


def test_the_days_on_disk_are_all_read(machine_failure: Onboarded) -> None:
    files = sorted((machine_failure.declared.folder / "data" / "inspections").glob("*.csv"))
    assert len(files) == DAYS
    assert (
        len(machine_failure.journey.done(RAW, "inspections"))
        == (machine_failure.days.live.last - machine_failure.use_case.history.first_day).days + 1
    )
