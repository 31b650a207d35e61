"""A run that is killed half way leaves nothing that the next run stumbles over.

These tests change the world that the others look at, so their file's name puts them last.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import polars as pl

from platform_assets.lake.layout import MODEL, SERVING, TRAINING
from platform_assets.registry.models import CHAMPION

from .conftest import ROOT, LivedIn

CHAIN = (
    (TRAINING, "training_set"),
    (MODEL, "classifier"),
    (MODEL, "evaluation"),
    (MODEL, "champion"),
    (SERVING, "service"),
    (SERVING, "deployment"),
)


def kill_run_at(lived_in: LivedIn, text: str) -> str:
    """`platform-assets run`, killed as soon as it has printed a text.

    Returns:
        What was printed until then.
    """
    program = Path(sys.executable).with_name("platform-assets")
    environment: Mapping[str, str] = {**os.environ, **lived_in.environment, "PYTHONUNBUFFERED": "1"}
    printed = []
    with subprocess.Popen(
        [program, "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            printed.append(line)
            if text in line:
                run.send_signal(signal.SIGKILL)
                break
        run.wait(timeout=60)
    assert run.returncode == -signal.SIGKILL, "".join(printed)
    return "".join(printed)


def jobs_since(instance: dg.DagsterInstance, seen: set[str]) -> list[tuple[str, str]]:
    """Runs that are new: job and status, oldest first."""
    records = instance.get_run_records(ascending=True)
    runs = [record.dagster_run for record in records if record.dagster_run.run_id not in seen]
    return [(run.job_name, run.status.value) for run in runs]


def test_a_run_killed_while_it_trains_is_continued(lived_in: LivedIn) -> None:
    with lived_in.instance() as instance:
        instance.wipe_assets([dg.AssetKey([lived_in.use_case.name, layer, name]) for layer, name in CHAIN])
        seen = {record.dagster_run.run_id for record in instance.get_run_records()}
        ledger = lived_in.models.ledger("card_fraud").entries("card_fraud")

        kill_run_at(lived_in, "constant: fold 1 of")
        assert lived_in.score().status_code == 200, "what served before still does"
        assert lived_in.models.ledger("card_fraud").entries("card_fraud").equals(ledger)

        code, printed = lived_in.run("run")
        assert code == 0, printed
        finished = [(job, status) for job, status in jobs_since(instance, seen) if status == "SUCCESS"]
        assert finished == [("card_fraud__train", "SUCCESS")], "only what is missing, and nothing of the history"
    later = lived_in.models.ledger("card_fraud").entries("card_fraud")
    assert later.head(ledger.height).equals(ledger), "the ledger is only ever appended to"
    champion = lived_in.models.registry().by_alias("card_fraud", CHAMPION)
    assert champion is not None
    newest = later.filter(pl.col("action") == "deployed").row(-1, named=True)
    assert newest["model_version"] == champion.version == lived_in.score().json()["model_version"]


def test_a_prediction_log_that_was_lost_is_read_again_without_new_traffic(lived_in: LivedIn) -> None:
    """The days were replayed and loaded; only the table of their predictions is missing."""
    key = dg.AssetKey([lived_in.use_case.name, SERVING, "prediction_log"])
    with lived_in.instance() as instance:
        instance.wipe_assets([key])
        code, printed = lived_in.run("run")
        assert code == 0, printed
        assert "requests sent so far" not in printed
        days = instance.get_materialized_partitions(key)
    assert days == {day.isoformat() for day in lived_in.days.live.days}
