"""The deployment ledger under kill -9: a champion moved again and again by processes that end between two steps of a move.

Belongs here: killing, observing the alias meanwhile, and holding the ledger's answers to what was observed. Does not belong here: what
makes a move safe (`registry/champion_moves.py`).

Each move is made by a process of its own, which starts from a server that has the libraries loaded. On its first attempt it kills
itself with SIGKILL: after the intent was written and before the alias moves, or after the alias has moved and before the ledger's entry.
A thread asks MLflow all the time where the alias points; afterwards the ledger is asked about every one of those moments.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common.report import Bar, Topic
from platform_assets.registry.base import CHAMPION, ModelRegistry
from platform_assets.registry.champion_moves import settle
from platform_assets.registry.ledger import Entry, Ledger, ledger_table
from platform_assets.registry.mlflow_registry import MlflowRegistry
from platform_assets.registry.promotion import promote
from platform_assets.registry.rollback import roll_back, rollback_target

USE_CASE = "moved"
VERSIONS = 6
BEFORE_ALIAS, AFTER_ALIAS, NOWHERE = "before the alias", "after the alias", "nowhere"
TOO_LONG = "because it took too long"
FINISH_SECONDS = 120.0
MOVE_SECONDS = 2.0
"""An observation this close after an entry may still show the champion before: the alias follows the entry's time by a moment."""
ROLLBACK_SECONDS = 5.0


class DyingRegistry(MlflowRegistry):
    """Ends the process where the alias would move."""

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        """Never comes back."""
        os.kill(os.getpid(), signal.SIGKILL)


class DyingLedger(Ledger):
    """Ends the process where the entry of a move would be written; the alias has moved."""

    def record(self, entry: Entry) -> bool:
        """Never comes back."""
        os.kill(os.getpid(), signal.SIGKILL)
        return False


@dataclass(frozen=True)
class Place:
    """Where registry and ledger are."""

    folder: Path

    @property
    def registry(self) -> MlflowRegistry:
        """MLflow's registry in a file."""
        return MlflowRegistry(f"sqlite:///{self.folder / 'mlflow.db'}")

    @property
    def ledger(self) -> Ledger:
        """The ledger in a folder."""
        return Ledger(ledger_table(str(self.folder / USE_CASE / "model" / "ledger")))

    @property
    def champion(self) -> str | None:
        """Where the alias points: what was made, whatever became of who made it."""
        result = self.registry.by_alias(USE_CASE, CHAMPION)
        return result.version if result else None

    def prepare(self) -> None:
        """Register some versions, each another model."""
        from mlflow import MlflowClient

        registry = self.registry
        client = MlflowClient(registry.tracking_uri)
        experiment = client.create_experiment("bench", artifact_location=str(self.folder / "artifacts"))
        for number in range(VERSIONS):
            run = client.create_run(experiment).info.run_id
            registry.register(USE_CASE, run, {"as_of": f"2024-01-{number + 1:02}", "model_digest": f"sha256:{number}"})


def make_move(folder: Path, version: str, back: bool, dies: str) -> None:
    """One move in this process: promote a version, or roll back to it, and die where it is told to."""
    position = Place(folder)
    kept, ledger = position.registry, position.ledger
    registry = DyingRegistry(kept.tracking_uri) if dies == BEFORE_ALIAS else kept
    if dies == AFTER_ALIAS:
        settle(
            kept, ledger, USE_CASE
        )  # what an earlier process left is settled, so that this one gets as far as its own entry
        ledger = DyingLedger(ledger.table)
    if back:
        _, target = rollback_target(registry, ledger, USE_CASE, version)
        roll_back(
            registry, ledger, target, why="measured", who="benchmark", evidence={}, release=None, at=None, run_id="bench"
        )  # fmt: skip
        return
    champion = registry.by_alias(USE_CASE, CHAMPION)
    evidence = {
        "passed": True,
        "reason": "measured",
        "model_version": version,
        "champion": champion.version if champion else None,
    }
    decided = {"who": "benchmark", "why": "measured"}
    promote(registry, ledger, registry.get(USE_CASE, version), evidence, None, "bench", decided=decided)


@dataclass(frozen=True)
class Seen:
    """Where the alias pointed at some moment between two times."""

    first: datetime
    last: datetime
    version: str | None


@dataclass
class Observer:
    """Asks where the alias points, all the time."""

    registry: ModelRegistry
    seen: list[Seen] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Observer:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(FINISH_SECONDS)

    def _ask(self) -> None:
        while not self._stop.is_set():
            first = datetime.now(UTC)
            champion = self.registry.by_alias(USE_CASE, CHAMPION)
            self.seen.append(Seen(first, datetime.now(UTC), champion.version if champion else None))
            time.sleep(0.005)


@dataclass(frozen=True)
class Outcome:
    """What was found after the moves."""

    moves: int
    kills: Mapping[str, int]
    observations: int
    during_moves: int
    longest_lead_seconds: float
    problems: tuple[str, ...]


def loaded() -> Any:
    """Processes that start with the libraries loaded."""
    stores = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.ledger.topic", "mlflow", *stores])
    return context


def move_and_kill(folder: Path, moves: int, seed: int = 0, log: Callable[[str], None] = lambda _: None) -> Outcome:
    """Move the champion so many times with kills in between, and hold the ledger to what was observed."""
    position, chance = Place(folder), random.Random(seed)
    position.prepare()
    context = loaded()
    kills: Counter[str] = Counter()
    problems: list[str] = []
    built: list[str] = []
    with Observer(position.registry) as observer:
        while len(built) < moves:
            back = len(set(built)) > 1 and chance.random() < 0.25
            choices = sorted(set(built) - {built[-1]}) if back else [str(number + 1) for number in range(VERSIONS)]
            version = chance.choice([number for number in choices if not built or number != built[-1]])
            dies = chance.choice((BEFORE_ALIAS, AFTER_ALIAS, NOWHERE)) if built else NOWHERE
            code = _in_a_process(context, folder, version, back, dies)
            if code == -signal.SIGKILL:
                kills[TOO_LONG if dies == NOWHERE else dies] += 1
            elif code != 0:
                problems.append(f"a process that was to move to version {version} ended with {code}")
            if (
                code != 0 and position.champion != version
            ):  # the move did not happen; now and then nobody asks for it again
                if chance.random() < 0.5:
                    continue
                problems += (
                    [f"the second attempt ended with {code}"]
                    if (code := _in_a_process(context, folder, version, back, NOWHERE))
                    else []
                )
            built.append(version)
            if len(built) % 10 == 0:
                log(f"{len(built)} moves, {sum(kills.values())} kills")
    settle(position.registry, position.ledger, USE_CASE)
    problems += _ledger_problems(position, built)
    wrong, during, lead = _wrong_answers(position.ledger, observer.seen)
    return Outcome(len(built), kills, len(observer.seen), during, lead, (*problems, *wrong))


def _in_a_process(context: Any, folder: Path, version: str, back: bool, dies: str) -> int:
    process = context.Process(target=make_move, args=(folder, version, back, dies))
    process.start()
    process.join(FINISH_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    return int(process.exitcode)


def _ledger_problems(position: Place, built: list[str]) -> list[str]:
    """The ledger has every move once, in order, each after the one before."""
    moves = position.ledger.moves(USE_CASE)
    result = moves["model_version"].to_list()
    problems = [] if result == built else [f"the ledger has {len(result)} moves, {len(built)} were made"]
    befores = [None, *result[:-1]]
    if moves["previous_version"].to_list() != befores:
        problems.append("a move does not begin where the one before ended")
    if position.champion != result[-1]:
        problems.append("the alias points elsewhere than the last move")
    return problems


def _wrong_answers(ledger: Ledger, seen: list[Seen]) -> tuple[list[str], int, float]:
    """Observations that the ledger contradicts, how many fell into a move, and by how much the ledger was ahead at most."""
    moves = ledger.moves(USE_CASE).select("at", "model_version").rows()

    def champion_at(at: datetime) -> tuple[datetime | None, str | None]:
        return next(((when, version) for when, version in reversed(moves) if when <= at), (None, None))

    wrong: list[str] = []
    during, lead = 0, 0.0
    for one in seen:
        since, version = champion_at(one.last)
        if champion_at(one.first)[1] == version == one.version:
            continue
        moment = since is not None and one.last - since < timedelta(seconds=MOVE_SECONDS)
        before = champion_at(since - timedelta(microseconds=1))[1] if since is not None else None
        if moment and since is not None and one.version in (before, version):
            during += 1
            lead = max(lead, (one.last - since).total_seconds() if one.version == before else 0.0)
            continue
        wrong.append(f"at {one.first:%H:%M:%S.%f} the alias was {one.version}, the ledger says {version}")
    return wrong[:5], during, lead


def rollback_seconds(folder: Path, rounds: int, *, cold: bool) -> tuple[float, float]:
    """Median seconds, and CPU seconds, from starting a process to the recorded champion, when it rolls back and starts no service.

    Args:
        folder: where registry and ledger are.
        rounds: how often.
        cold: whether the process first has to load what `platform-assets models rollback` loads; otherwise it is there.
    """
    position, spent, context = Place(folder), list[tuple[float, float]](), loaded()
    for _ in range(rounds):
        last = str(position.ledger.moves(USE_CASE)["previous_version"][-1])
        started, used = time.perf_counter(), _children_cpu_seconds()
        if cold:
            subprocess.run([sys.executable, "-m", "benchmarks.ledger.topic", str(folder), last], check=True)
        elif _in_a_process(context, folder, last, True, NOWHERE) != 0:
            raise RuntimeError(f"a process that was to roll back to version {last} failed")
        spent.append((time.perf_counter() - started, _children_cpu_seconds() - used))
        if position.champion != last:
            raise RuntimeError(f"the champion is {position.champion}, not version {last}")
    return median(seconds for seconds, _ in spent), median(cpu for _, cpu in spent)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_ledger(
    moves: int = 50, rounds: int = 3, seed: int = 0, log: Callable[[str], None] = lambda _: None
) -> Topic:
    """Move a champion with kills in between, then ask the ledger about every observed moment; then time a rollback.

    Args:
        moves: how often.
        rounds: of the timed rollback.
        seed: of versions and kills.
        log: told of the progress.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-ledger-") as temporary:
        outcome = move_and_kill(Path(temporary), moves, seed, log)
        seconds, _ = rollback_seconds(Path(temporary), rounds, cold=False)
        cold, cpu = rollback_seconds(Path(temporary), rounds, cold=True)
    message = "; ".join(outcome.problems) or "none"
    rows = [
        ["moves of the champion", f"{outcome.moves}"],
        *([f"kill -9 {where}", f"{count}"] for where, count in sorted(outcome.kills.items())),
        ["moments at which the alias was observed", f"{outcome.observations:,}"],
        ["of them while a move was under way", f"{outcome.during_moves}"],
        ["longest time by which the ledger was ahead of the alias, seconds", f"{outcome.longest_lead_seconds:.2f}"],
        [
            "rollback without a service, in a process with the libraries loaded, to the recorded champion, seconds",
            f"{seconds:.1f}",
        ],
        ["the same from a cold process that loads what the command loads, seconds", f"{cold:.1f}"],
        ["of them on the processor", f"{cpu:.1f}"],
    ]
    bars = [
        Bar(
            f"champion moved {moves} times with crashes in between: the ledger answers every 'what served at t' correctly",
            f"{outcome.moves} moves, {sum(outcome.kills.values())} kills, {outcome.observations:,} moments; problems: {message}",
            not outcome.problems and outcome.moves >= moves and sum(outcome.kills.values()) > 0,
        ),
        Bar("rollback, decision to recorded champion, under 5 s besides service start and imports",
            f"{seconds:.1f} s; {cold:.1f} s from a cold process, {cpu:.1f} of them on the processor", seconds < ROLLBACK_SECONDS),
    ]  # fmt: skip
    how = (
        f"Promotions and rollbacks (seed {seed}), each by a process of its own that kills itself with SIGKILL between the intent and the "
        "alias, between the alias and the ledger's entry, or nowhere; half of the moves that broke off before the alias are never asked "
        "for again. A thread asks MLflow meanwhile where the alias points, and the ledger is asked about each of those moments afterwards."
    )
    return Topic("The ledger under kill -9", how, ("what", "number"), rows, bars)


if __name__ == "__main__":
    # What `platform-assets models rollback` loads, so that a cold process pays for it.
    import platform_assets.cli.console
    import platform_assets.orchestration.assets.rollback
    import platform_assets.orchestration.resources.build  # noqa: F401

    make_move(Path(sys.argv[1]), sys.argv[2], True, NOWHERE)
