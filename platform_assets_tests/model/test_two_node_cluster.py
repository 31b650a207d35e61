"""A search and a fit on a Ray cluster of two nodes, in a network of its own.

Belongs here: the smallest real run of Ray Tune and Ray Train, one node of which is killed. Does not belong here: figures
(`benchmarks/cluster.py`).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ray_nodes import in_namespace

SMALL = {
    "searches": {"trials": 4, "rows": 400, "trees": 5, "rounds": 1},
    "fits": {"rows": 1000, "epochs": 3, "rounds": 1},
    "node_killed": {"trials": 8, "rows": 4000, "trees": 60},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    asked = Path(tmp_path_factory.mktemp("cluster")) / "asked.json"
    asked.write_text(json.dumps(SMALL))
    return in_namespace("benchmarks.cluster_work", "all", str(asked), timeout_seconds=240.0)


def test_a_search_on_the_cluster_is_the_search_of_one_machine_to_the_last_digit(ran: dict[str, Any]) -> None:
    here, ray = ran["searches"]["here1"][0], ran["searches"]["ray1"][0]
    assert len(ray["trials"]) == SMALL["searches"]["trials"]
    assert ray["trials"] == here["trials"]
    assert ray["best"] == here["best"]


def test_a_network_fitted_on_the_cluster_predicts_what_one_process_predicts(ran: dict[str, Any]) -> None:
    assert ran["fits"]["ray"]["largest_difference"] < 1e-5
    assert ran["fits"]["torchrun"]["largest_difference"] < 1e-5


def test_a_search_that_loses_a_node_finishes_with_the_same_trials(ran: dict[str, Any]) -> None:
    calm, killed = ran["node_killed"]["calm"], ran["node_killed"]["killed"]
    assert killed["trials"] == calm["trials"]
    assert killed["best"] == calm["best"]
