"""What the benchmark of the cluster makes of its results."""

import copy
from typing import Any

from benchmarks.cluster.topic import QUICK, cluster_topic

TRIALS = [[0, {"max_depth": 3}, [0.2, 0.3, 0.4], "complete"], [1, {"max_depth": 5}, [0.1], "pruned"]]
RUN = {"seconds": 2.0, "in_trials_seconds": 1.5, "trials": TRIALS, "best": 0, "resumed": 0}
FIT = {"seconds": [1.0, 3.0, 2.0], "largest_difference": 3e-7, "same_again": True}
FOUND: dict[str, Any] = {
    "searches": {name: [RUN] for name in ("here1", "ray1", "here2", "ray2")},
    "fits": dict.fromkeys(("one", "torchrun", "ray"), FIT),
    "searcher_killed": {"calm": RUN, "resumed": RUN, "kills": 1, "judged": 2},
    "node_killed": {"calm": RUN, "killed": RUN},
}


def missed(result: dict[str, Any]) -> list[str]:
    return [bar.what for bar in cluster_topic(result, QUICK).bars if not bar.kept]


def test_everything_that_was_promised_is_kept_where_all_is_the_same() -> None:
    topic = cluster_topic(FOUND, QUICK)
    assert missed(FOUND) == []
    assert len(topic.rows) == 8
    assert all(len(row) == len(topic.columns) for row in topic.rows)
    assert topic.rows[4][1] == "2.0"


def test_each_bar_is_missed_where_its_own_result_differs() -> None:
    other = {**RUN, "trials": TRIALS[:1]}
    for path, value, bar in (
        (("searches", "ray1"), [RUN, other], "same trials"),
        (("fits", "ray"), {**FIT, "largest_difference": 1e-3}, "within"),
        (("fits", "torchrun"), {**FIT, "same_again": False}, "same to the bit"),
        (("searcher_killed", "resumed"), other, "killed 1 times"),
        (("searcher_killed", "judged"), 3, "killed 1 times"),
        (("node_killed", "killed"), other, "loses a node"),
    ):
        result = copy.deepcopy(FOUND)
        result[path[0]][path[1]] = value
        (what,) = missed(result)
        assert bar in what
