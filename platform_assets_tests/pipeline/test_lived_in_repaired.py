"""A half-finished earlier run, or a part that was lost, leaves nothing that the next run stumbles over."""

import socket
from pathlib import Path

import dagster as dg

from platform_assets.declaration.names import PREDICTION_LOG
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.lake.layout import SERVING

from .conftest import TRAINING_BEGAN, LivedIn

RANGE_TAG = "dagster/asset_partition_range_start"


def test_a_run_killed_while_it_trained_was_continued(lived_in: LivedIn) -> None:
    """The second run trained, and loaded nothing of the history again."""
    assert TRAINING_BEGAN in lived_in.printed_before.splitlines()[-1]
    assert "load labels" in lived_in.printed_before
    assert f"load labels {lived_in.days.labels}" in lived_in.printed_before
    assert f"load labels {lived_in.days.labels.first}" not in lived_in.printed
    assert "load reference tables" not in lived_in.printed
    with lived_in.instance() as instance:
        runs = [record.dagster_run for record in instance.get_run_records(ascending=True)]
    trained = [run.status.value for run in runs if run.job_name == "card_fraud__train"]
    assert len(trained) == 2
    assert trained[-1] == "SUCCESS"
    assert len([run for run in runs if run.job_name == "card_fraud__load" and RANGE_TAG in run.tags]) == 1
    ledger = lived_in.models.ledger("card_fraud").entries("card_fraud")
    assert set(ledger["model_version"]) == {"1"}, "the killed training registered nothing"


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_what_was_stopped_and_what_was_lost_come_back(lived_in: LivedIn) -> None:
    """After `stop` nothing listens. `run` then starts the service again and makes the one asset that is missing."""
    processes = lived_in.target.status().use_cases[lived_in.use_case.name].processes
    code, printed = lived_in.run("stop")
    assert code == 0, printed
    assert not [port for port in (lived_in.port, *(process.port for process in processes)) if listens(port)]
    assert not [process.pid for process in processes if process.pid and Path(f"/proc/{process.pid}").exists()]

    key = dg.AssetKey([lived_in.use_case.name, SERVING, PREDICTION_LOG])
    schema = prediction_log_schema(lived_in.use_case)
    before = set(lived_in.table(SERVING, PREDICTION_LOG, schema)["request_id"])
    with lived_in.instance() as instance:
        instance.wipe_assets([key])
        runs = instance.get_runs_count()
        code, printed = lived_in.run("run", "card_fraud")
        assert code == 0, printed
        assert instance.get_runs_count() == runs + 1, "the days were replayed and loaded: only the log is read again"
        assert set(instance.get_materialized_partitions(key)) == {day.isoformat() for day in lived_in.days.live.days}
    log = lived_in.table(SERVING, PREDICTION_LOG, schema)
    assert set(log["request_id"]) >= before
    assert log["request_id"].n_unique() == log.height
    answer = lived_in.score()
    assert answer.status_code == 200, answer.text
