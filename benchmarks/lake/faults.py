"""Planted faults: what catches each kind, whether a good row suffers, and how often good days are refused.

Belongs here: counting. Does not belong here: the faults with the rule meant for each (`platform_assets/testing/planted_faults.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import dagster as dg

from benchmarks.common.report import Bar, Topic
from platform_assets.testing.fault_world import CITIES, SCALE, FaultWorld
from platform_assets.testing.planted_faults import MEANT, LoadOutcome, good_days, plant_and_load

SEEDS = range(20)
GOOD_WORLDS = range(6)
GOOD_DAYS_EACH = 183


def measure_faults(
    log: Callable[[str], None],
    seeds: Iterable[int] = SEEDS,
    worlds: Iterable[int] = GOOD_WORLDS,
    days: int = GOOD_DAYS_EACH,
) -> Topic:
    """Every kind of fault with every seed through raw, clean and a feature table; then good days of other worlds.

    Args:
        log: told of every kind.
        seeds: of the faults.
        worlds: seeds of simulated worlds without a fault.
        days: good days of each world.
    """
    seeds, rows, outcomes = list(seeds), [], []
    with (
        tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        world = FaultWorld(Path(scratch) / "lake", instance)
        world.load_good_days()
        for fault, rule in MEANT:
            of_kind = [plant_and_load(world, {**fault, "seed": seed}) for seed in seeds]
            caught = sum(rule in outcome.caught_by for outcome in of_kind)
            name = " ".join([str(fault["kind"]), *([f"({fault['column']})"] if "column" in fault else [])])
            also = sorted(set().union(*(outcome.caught_by for outcome in of_kind)) - {rule})
            rows.append([name, rule, f"{caught} of {len(seeds)}", ", ".join(also)])
            log(f"{name}: {caught} of {len(seeds)} by {rule}")
            outcomes += [(rule, outcome) for outcome in of_kind]
    judged, refused = good_days(worlds, days)
    log(f"{refused} of {judged} good days refused")
    return _topic(rows, outcomes, len(seeds), judged, refused)


def _topic(
    rows: Sequence[Sequence[str]], outcomes: Sequence[tuple[str, LoadOutcome]], seeds: int, judged: int, refused: int
) -> Topic:
    caught = sum(rule in outcome.caught_by for rule, outcome in outcomes)
    reached = sum(outcome.published for _, outcome in outcomes)
    suffered = sum(outcome.good_rows_refused for _, outcome in outcomes)
    kinds = len({str(fault["kind"]) for fault, _ in MEANT})
    return Topic(
        "Planted faults",
        f"{kinds} kinds of fault in {len(rows)} forms, each with {seeds} seeds, planted in the delivery of one day after three good weeks "
        f"({SCALE['customers']} customers, {len(CITIES)} cities) and loaded through raw, clean and a feature table; default rules. Then "
        f"{judged:,} days of worlds without a fault, judged one after the other with the days before as their history.",
        ["fault", "rule meant for it", "caught by it", "also caught by"],
        rows,
        [
            Bar(
                "every fault is caught by the rule meant for it",
                f"{caught} of {len(outcomes)}",
                caught == len(outcomes),
            ),
            Bar("days with a fault that reach a feature table: 0", str(reached), reached == 0),
            Bar("good rows refused among bad ones: 0", str(suffered), suffered == 0),
            Bar("good days refused: fewer than 0.1 %", f"{refused} of {judged:,}", refused < 0.001 * judged),
        ],
    )
