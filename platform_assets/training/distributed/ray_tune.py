"""The search engine of a cluster: Optuna proposes and remembers, Ray Tune has the trials judged.

Belongs here: translating between Tune's callbacks and the run of a search. Does not belong here: what is proposed next and what is
kept (`search_optuna`), how a trial is judged (`search`), placing and restarting trials: Tune does.

What is proposed, pruned and kept is what the engine of one machine would have proposed, pruned and kept from the same values in the same
order: with one trial at a time a search gives the same trials on a cluster, and each may go on where the other was stopped.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from platform_assets.training.distributed.cluster import ROOM_SECONDS, ClusterError, cluster, wait_for_room
from platform_assets.training.tuning.optuna_engine import SearchRun, quiet_optuna
from platform_assets.training.tuning.trials import (
    Evaluate,
    FinishedTrial,
    SearchError,
    SearchPlan,
    SearchResult,
    State,
    Trial,
    TrialFailed,
)

_VALUE, _FOLD, _PROBLEM = "value", "fold", "problem"
_NO_FILES = "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"


@dataclass(frozen=True)
class RayTuneEngine:
    """Runs the trials of a search on the cluster at `address`.

    Attributes:
        address: see `cluster.cluster`.
        cpus_per_trial: what Ray reserves for a trial.
        retries: how often a trial begins again when its process or its machine fails.
        room_seconds: how long the cluster may take to find room for the first trial.
    """

    address: str
    cpus_per_trial: float = 1.0
    retries: int = 3
    room_seconds: float = ROOM_SECONDS

    def run(
        self, plan: SearchPlan, evaluate: Evaluate, progress: Callable[[str], None] = lambda line: None
    ) -> SearchResult:
        """As `search.Engine.run`; the rows that `evaluate` holds go to the cluster once.

        Raises:
            SearchError: the storage or the cluster cannot be used, or a trial could not be judged at all.
        """
        started, output = time.perf_counter(), sys.stdout

        def aloud(line: str) -> None:
            with redirect_stdout(output):
                progress(line)

        try:
            with cluster(self.address) as ray, quiet_optuna():
                run = SearchRun(plan, evaluate, aloud)
                resumed = len(run.finished)
                if resumed:
                    progress(f"{plan.name}: goes on after {resumed} finished trials")
                if resumed < plan.trials:
                    wait_for_room(ray, [{"CPU": self.cpus_per_trial}], "a trial", self.room_seconds)
                    self._tune(plan, evaluate, _Judged(run, plan, self.retries))
        except ClusterError as error:
            raise SearchError(f"{plan.name}: {error}") from error
        return run.result(resumed, time.perf_counter() - started)

    def _tune(self, plan: SearchPlan, evaluate: Evaluate, judged: _Judged) -> None:
        """Let Tune run trials until none is proposed any more."""
        from ray import tune

        trainable = tune.with_parameters(judge, evaluate=evaluate)
        with tempfile.TemporaryDirectory(prefix="platform-assets-search-") as scratch:
            tuner = tune.Tuner(
                tune.with_resources(trainable, {"CPU": self.cpus_per_trial}),
                tune_config=tune.TuneConfig(
                    metric=_VALUE,
                    mode="max" if plan.higher_is_better else "min",
                    search_alg=_proposals(judged),
                    scheduler=_pruning(judged),
                    num_samples=-1,
                    max_concurrent_trials=plan.parallel,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(name="search", storage_path=scratch, verbose=0),
            )
            with _quiet_tune():
                results = tuner.fit()
        if judged.broken is not None:
            raise judged.broken
        if judged.given_up:
            lines = str(results.errors[-1]).strip().splitlines() or ["no reason given"]
            raise SearchError(
                f"{plan.name}: a trial could not be judged on the Ray cluster, begun {self.retries + 1} times: {lines[-1]}"
            )


def judge(config: Mapping[str, Any], evaluate: Evaluate) -> None:
    """One trial on a machine of the cluster: reports fold by fold, and may be stopped after each."""
    from ray import tune

    trial = Trial(config["number"], config["settings"], config["seed"])
    fold = 0
    try:
        for value in evaluate(trial):
            tune.report({_VALUE: float(value), _FOLD: fold, _PROBLEM: ""})
            fold += 1
    except TrialFailed as error:
        tune.report({_VALUE: float("nan"), _FOLD: fold, _PROBLEM: str(error)})


@dataclass
class _Running:
    """A trial that has been proposed and has not ended."""

    proposed: Any
    trial: Trial
    values: dict[int, float] = field(default_factory=dict)
    state: State = "complete"
    problem: str | None = None
    cut_off: bool = False
    begun: int = 0


class _Judged:
    """Tune's trials as trials of the search.

    A trial whose machine fails is proposed again as another of Tune's trials. Tune would restart a trial itself, but not one that was
    given a process kept from an earlier trial when the machine of that process was gone (Ray 2.60).
    """

    def __init__(self, run: SearchRun, plan: SearchPlan, retries: int) -> None:
        self._run, self._plan, self._retries = run, plan, retries
        self._running: dict[str, _Running] = {}
        self._again: list[_Running] = []
        self.broken: Exception | None = None
        self.given_up = False

    @property
    def pending(self) -> bool:
        """Whether a trial is under way, and may have to be proposed again."""
        return bool(self._running)

    def propose(self, name: str) -> Mapping[str, Any] | None:
        """What Tune's trial `name` is to try; None when the budget is spent."""
        if self._again:
            running = self._again.pop(0)
        elif (proposed := self._run.propose()) is not None:
            running = _Running(*proposed)
        else:
            return None
        running.begun += 1
        self._running[name] = running
        trial = running.trial
        return {"number": trial.number, "settings": dict(trial.settings), "seed": trial.seed}

    def report(self, name: str, result: Mapping[str, Any]) -> bool:
        """Take a fold's value; whether the trial is to be stopped. A trial that began again repeats values, and they count once."""
        running, fold = self._running[name], int(result[_FOLD])
        if result[_PROBLEM]:
            running.state, running.problem = "failed", str(result[_PROBLEM])
            return False
        if fold in running.values:
            return False
        running.values[fold] = float(result[_VALUE])
        running.proposed.report(running.values[fold], fold)
        if fold + 1 == self._plan.folds:
            return False
        running.cut_off = self._run.out_of_time()
        if not running.cut_off and running.proposed.should_prune():
            running.state = "pruned"
        return running.cut_off or running.state == "pruned"

    def end(self, name: str, result: Mapping[str, Any] | None, failed: bool) -> None:
        """Keep a trial that came to an end of its own; one that did not begins again, or is the end of the search."""
        running = self._running.pop(name, None)
        if running is None:
            return
        if failed or not result:
            if running.begun > self._retries:
                self.given_up = self._run.stopped = True
            elif not self._run.stopped:
                self._again.append(running)
            return
        if running.cut_off:
            return
        values = tuple(running.values[fold] for fold in sorted(running.values))
        done = FinishedTrial(
            running.trial.number,
            running.trial.settings,
            values,
            running.state,
            float(result["time_total_s"]),
            running.problem,
        )
        try:
            self._run.record(running.proposed, done)
        except Exception as error:  # Tune would take it for an error of the trial's.
            self.broken, self._run.stopped = error, True
            raise


def _proposals(judged: _Judged) -> Any:
    """Tune's view of what proposes."""
    from ray.tune.search import Searcher

    class Proposals(Searcher):  # type: ignore[misc]
        def suggest(self, trial_id: str) -> Mapping[str, Any] | str | None:
            return judged.propose(trial_id) or (None if judged.pending else Searcher.FINISHED)

        def on_trial_complete(
            self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
        ) -> None:
            judged.end(trial_id, result, error)

        def save(self, checkpoint_path: str) -> None:
            """Nothing: finished trials are in the search's own storage."""

        def restore(self, checkpoint_path: str) -> None:
            """Nothing: a search goes on from its own storage."""

        def __reduce__(self) -> Any:
            return Searcher, ()

    return Proposals()


def _pruning(judged: _Judged) -> Any:
    """Tune's view of what stops a trial."""
    from ray.tune.schedulers import FIFOScheduler

    class Pruning(FIFOScheduler):  # type: ignore[misc]
        def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
            return str(self.STOP if judged.report(trial.trial_id, result) else self.CONTINUE)

        def __reduce__(self) -> Any:
            return FIFOScheduler, ()

    return Pruning()


@contextmanager
def _quiet_tune() -> Iterator[None]:
    """Tune prints and logs nothing meanwhile and writes no files of its own: trials and failures are reported by us."""
    logger = logging.getLogger("ray.tune")
    level, written = logger.level, os.environ.get(_NO_FILES)
    logger.setLevel(logging.CRITICAL)
    os.environ[_NO_FILES] = "1"
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        logger.setLevel(level)
        os.environ.pop(_NO_FILES)
        if written is not None:
            os.environ[_NO_FILES] = written
