"""A search, a fit and a backfill on a Ray cluster of two nodes, in a network of its own.

Belongs here: the smallest real run of Ray Tune, Ray Train and shards on Ray, with a node and a process that are killed. Does not
belong here: figures (`benchmarks/cluster/topic.py`).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from platform_assets.testing.ray_nodes import in_namespace

pytestmark = pytest.mark.long
SMALL = {
    "shards": {"events": 20_000, "days": 40, "memory_megabytes": 500, "shards": 3, "kill": 1},
    "fits": {"rows": 1000, "epochs": 3, "rounds": 1, "how": ["one", "ray"]},
    "node_killed": {"trials": 8, "rows": 1500, "trees": 15},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    asked = Path(tmp_path_factory.mktemp("cluster")) / "asked.json"
    asked.write_text(json.dumps(SMALL))
    return in_namespace("platform_assets.testing.cluster_work", "all", str(asked), timeout_seconds=900.0)


def test_a_search_that_loses_a_node_finds_what_one_machine_finds_to_the_last_digit(ran: dict[str, Any]) -> None:
    here, ray = ran["node_killed"]["calm"], ran["node_killed"]["killed"]
    assert len(ray["trials"]) == SMALL["node_killed"]["trials"]
    assert ray["trials"] == here["trials"]
    assert ray["best"] == here["best"]


def test_a_network_fitted_on_the_cluster_predicts_what_one_process_predicts(ran: dict[str, Any]) -> None:
    assert ran["fits"]["ray"]["largest_difference"] < 1e-5


def test_a_backfill_on_the_cluster_has_the_bits_of_one_machine_and_a_killed_worker_costs_its_shard(
    ran: dict[str, Any],
) -> None:
    here, ray = ran["shards"]["here"], ran["shards"]["ray"]
    assert ray["digest"] == here["digest"]
    assert ray["rows"] == here["rows"] == SMALL["shards"]["events"]
    assert here["repeated"] == []
    assert [piece.split()[:2] for piece in ray["repeated"]] == [["compute", "1"]]
