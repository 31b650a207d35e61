"""A search whose process is killed 20 times, as by evictions from a spot node: nothing that was finished is lost or done again.

What is killed is a child process with SIGKILL, which is what a pod's process gets in the end; the storage is a file, as on a claim.
"""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration.sections.search import FloatRange, IntRange
from platform_assets.training.tuning.engines import engine_named
from platform_assets.training.tuning.trials import SearchPlan, SearchResult, Trial

pytestmark = pytest.mark.long
TRIALS, KILLS = 50, 20
SPACE = {
    "x": FloatRange(type="float", low=-1.0, high=1.0),
    "depth": IntRange(type="int", low=1, high=8, log=True),
}


def plan(storage: Path | None) -> SearchPlan:
    whole = SearchPlan("killed", SPACE, {"x": 0.9, "depth": 8}, True, folds=3, trials=TRIALS, pruning="none")
    return whole if storage is None else replace(whole, storage=f"sqlite:///{storage}")


class Noted:
    """Writes down each trial as it begins; waits in the middle of the first of a life that is to be killed."""

    def __init__(self, notes: Path, killed_in: int | None) -> None:
        self.notes, self.left = notes, killed_in

    def __call__(self, trial: Trial) -> Iterator[float]:
        with self.notes.open("a") as file:
            file.write(f"{trial.number}\n")
        for fold in range(3):
            if fold == 1 and self.left == 0:
                time.sleep(600)
            yield -((trial.settings["x"] - 0.3) ** 2) - 0.1 * abs(trial.settings["depth"] - 3) + 0.01 * fold
        if self.left is not None:
            self.left -= 1


def life(storage: Path, notes: Path, killed_in: int | None, result: Path) -> None:
    """One process: searches until it is killed, or writes what it found."""
    done = engine_named("optuna").run(plan(storage), Noted(notes, killed_in))
    result.write_text(json.dumps([done.resumed, shown(done)]))


def shown(result: SearchResult) -> list[Any]:
    return [[one.number, dict(one.settings), list(one.values), one.state] for one in result.trials]


def begun(notes: Path) -> list[int]:
    return [int(line) for line in notes.read_text().split()] if notes.exists() else []


def test_20_kills_in_a_search_of_50_trials_lose_none_and_repeat_one_each(tmp_path: Path) -> None:
    storage, notes, result = tmp_path / "search.db", tmp_path / "notes", tmp_path / "result.json"
    expected = shown(engine_named("optuna").run(plan(None), Noted(tmp_path / "undisturbed", None)))
    processes = multiprocessing.get_context("fork")
    for number in range(KILLS):
        whole = number % 3  # trials that this life finishes before it is killed in the middle of the next
        before = len(begun(notes))
        process = processes.Process(target=life, args=(storage, notes, whole, result))
        process.start()
        while len(begun(notes)) < before + whole + 1:
            assert process.is_alive(), "it ended by itself"
            time.sleep(0.005)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    finished_before = len(begun(notes)) - KILLS
    last = processes.Process(target=life, args=(storage, notes, None, result))
    last.start()
    last.join()

    resumed, found = json.loads(result.read_text())
    assert resumed == finished_before, "every trial that was finished was kept"
    assert found == json.loads(json.dumps(expected)), "the same trials as of a search that nobody disturbed"
    times = Counter(begun(notes))
    assert sorted(times) == list(range(TRIALS))
    assert sum(times.values()) - TRIALS == KILLS, "each kill repeats the one trial that it cut off"
    assert max(times.values()) <= 1 + sum(1 for number in range(KILLS) if number % 3 == 0)
