"""Searches and fits on a Ray cluster of two nodes next to the same on this machine alone.

Belongs here: how much is asked, and the table. Does not belong here: doing it (`cluster_work`), the nodes (`ray_nodes`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common.report import Bar, Topic
from platform_assets.testing.ray_nodes import in_namespace

TOLERANCE = 1e-5
TIMEOUT_SECONDS = 3600.0


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    Attributes:
        trials: of the search that is compared.
        rows: of each fold's training rows.
        trees: of each trial.
        network_rows: that a network is fitted on.
        epochs: of the network.
        kills: of the process that searches.
        rounds: of searches and fits; medians are shown.
    """

    trials: int = 12
    rows: int = 20_000
    trees: int = 100
    network_rows: int = 100_000
    epochs: int = 10
    kills: int = 4
    rounds: int = 3


FULL = Amount()
QUICK = Amount(trials=4, rows=2_000, trees=20, network_rows=2_000, epochs=2, kills=1, rounds=1)


def measure_cluster(amount: Amount, log: Callable[[str], None]) -> Topic:
    """Everything on two nodes with one CPU each.

    Args:
        amount: how much.
        log: told of the results.

    Raises:
        ChildFailed: the cluster could not be started, or something on it failed.
    """
    search = {"trials": amount.trials, "rows": amount.rows, "trees": amount.trees}
    # Eight trials are drawn at random, so that their order does not matter.
    at_random = {**search, "trials": min(8, amount.trials)}
    request = {
        "searches": {**search, "rounds": amount.rounds},
        "fits": {"rows": amount.network_rows, "epochs": amount.epochs, "rounds": amount.rounds},
        "searcher_killed": {**at_random, "kills": amount.kills},
        "node_killed": at_random,
    }
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        specification = Path(scratch) / "asked.json"
        specification.write_text(json.dumps(request))
        result = in_namespace(
            "platform_assets.testing.cluster_work", "all", str(specification), timeout_seconds=TIMEOUT_SECONDS
        )
    topic = cluster_topic(result, amount)
    for row in topic.rows:
        log(", ".join(row))
    return topic


def cluster_topic(result: Mapping[str, Any], amount: Amount) -> Topic:
    """The table of what was found, and what was promised."""
    searches, fits = result["searches"], result["fits"]
    titles = {
        "here1": f"search of {amount.trials} trials, one at a time: this machine",
        "ray1": "the same: Ray Tune on two nodes",
        "here2": "two trials at a time: this machine, threads",
        "ray2": "the same: Ray Tune on two nodes",
    }
    rows = [[title, _seconds(run["seconds"] for run in searches[name]), ""] for name, title in titles.items()]
    for name, title in (
        ("one", f"network of {amount.epochs} rounds: one process"),
        ("torchrun", "the same: two processes, torchrun"),
        ("ray", "the same: two workers on two nodes, Ray Train"),
    ):
        rows.append([title, _seconds(fits[name]["seconds"]), f"{fits[name]['largest_difference']:.1e}"])
    killed, resumed = result["node_killed"], result["searcher_killed"]
    rows.append(["eight trials, the second node killed after two of them", _seconds([killed["killed"]["seconds"]]), ""])
    return Topic(
        "A cluster of two nodes",
        "Two Ray nodes with one CPU each on two addresses of a network namespace, on this machine. A trial fits boosted trees on "
        f"three folds of {amount.rows:,} simulated rows × 15 features; the network is fitted on {amount.network_rows:,}. Medians "
        f"of {amount.rounds} alternating runs; the nodes run already, starting the trials' and workers' processes is in the time. "
        "The differences are the largest of any predicted probability from that of one process.",
        ["", "seconds", "largest difference"],
        rows,
        _bars(searches, fits, killed, resumed),
    )


def _bars(
    searches: Mapping[str, Any], fits: Mapping[str, Any], killed: Mapping[str, Any], resumed: Mapping[str, Any]
) -> list[Bar]:
    local, ray = searches["here1"][0], searches["ray1"]
    same = all(run["trials"] == local["trials"] for run in ray)
    largest = max(fits[name]["largest_difference"] for name in ("torchrun", "ray"))
    again = all(fit["same_again"] for fit in fits.values())
    whole = resumed["resumed"]["trials"] == resumed["calm"]["trials"]
    once = resumed["judged"] == len(resumed["calm"]["trials"])
    after = killed["killed"]["trials"] == killed["calm"]["trials"]
    return [
        Bar("one trial at a time: the same trials, to the last digit, on the cluster", _yes(same), same),
        Bar(f"workers predict what one process predicts, within {TOLERANCE:g}", f"{largest:.1e}", largest <= TOLERANCE),
        Bar("a fit is the same to the bit again, here and on the cluster", _yes(again), again),
        Bar(
            f"a search killed {resumed['kills']} times ends as one that was not, and judges no finished trial again",
            f"{'the same' if whole else 'another'} end, {resumed['judged']} trials judged",
            whole and once,
        ),
        Bar("a search that loses a node ends as one that does not", _yes(after), after),
    ]


def _seconds(values: Sequence[float] | Any) -> str:
    return f"{median(values):.1f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
