"""Who goes first where many runs wait, as the shipped settings say it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
import yaml

from platform_assets.orchestration.kubernetes.sizes import PRIORITY_TAG
from platform_assets_tests.deploy.runs.paths import Server, materialize, server

ROOT = Path(__file__).parents[3]
WAITING = 178


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Server]:
    """178 equal runs of low priority in the queue of the shipped settings."""
    shipped = yaml.safe_load((ROOT / "deploy" / "helm" / "platform-assets" / "files" / "dagster.yaml").read_text())
    config = shipped["run_coordinator"]["config"]
    with server(tmp_path, "platform_assets_tests.deploy.runs.sized", **config) as running:
        [low] = running.new_runs(lambda on: materialize(on, ["sized", "model", "classifier"]))
        for _ in range(WAITING - 1):
            running.instance.add_run(low._replace(run_id=str(uuid4())))
        yield running


def test_a_run_of_high_priority_goes_before_all_that_wait_and_low_ones_leave_seats(busy: Server) -> None:
    [high] = busy.new_runs(lambda on: materialize(on, ["sized", "raw", "events"]))
    busy.dequeue()
    assert high.run_id in busy.api.jobs[0]["metadata"]["name"]
    started = busy.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING]))
    assert Counter(run.tags[PRIORITY_TAG] for run in started) == {"high": 1, "low": 4}, (
        "as many low ones as there are GPUs"
    )

    [other] = busy.new_runs(lambda on: materialize(on, ["sized", "raw", "events"]))
    busy.dequeue()
    assert other.run_id in busy.api.jobs[-1]["metadata"]["name"], "there is a seat although low ones wait"
    waiting = busy.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    assert len(waiting) == WAITING - 4
