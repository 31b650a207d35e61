"""The search engine of one machine: Optuna proposes, threads judge, a database remembers.

Belongs here: driving Optuna. Does not belong here: what a trial is and how it is judged (`search`), clusters (`distributed*`).

Optuna's own loop would leave a trial that was cut off in its storage, and would draw the same random numbers again when it is
resumed. Here Optuna proposes from memory, each trial from random numbers of its own number, and a trial is written to the storage in
one transaction when it has ended: a search that was killed goes on where it was and comes to the same end.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from platform_assets.declaration.sections.search import Choices, Dimension, FloatRange
from platform_assets.training.effort import Effort, EffortMeter
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

STARTUP_TRIALS = 8
"""Trials drawn at random before the sampler learns from them."""
_VALUES, _PROBLEM, _SECONDS, _STATE = "values", "problem", "seconds", "state"


class OptunaEngine:
    """Tree-structured Parzen estimator with the median rule; threads when trials run in parallel."""

    def run(
        self, plan: SearchPlan, evaluate: Evaluate, progress: Callable[[str], None] = lambda line: None
    ) -> SearchResult:
        """As `Engine.run`; the same plan with `parallel` 1 and no limit in seconds gives the same trials."""
        started = time.perf_counter()
        with quiet_optuna():
            run = SearchRun(plan, evaluate, progress)
            resumed = len(run.finished)
            if resumed:
                progress(f"{plan.name}: goes on after {resumed} finished trials")
            if plan.parallel == 1:
                run.work()
            else:
                with ThreadPoolExecutor(plan.parallel, thread_name_prefix="trial") as pool:
                    for future in [pool.submit(run.work) for _ in range(plan.parallel)]:
                        future.result()
        return run.result(resumed, time.perf_counter() - started)


class SearchRun:
    """One run of a search: Optuna's study in memory, the stored one beside it, and the budget.

    An engine asks for trials (`propose`), has them judged, and tells what came of them (`record`).

    Attributes:
        study: Optuna's, in memory.
        finished: trials that came to an end of their own, those of earlier runs included.
        stopped: set by an engine that cannot go on: nothing is proposed any more.
    """

    def __init__(self, plan: SearchPlan, evaluate: Evaluate, progress: Callable[[str], None]) -> None:
        import optuna

        self._plan, self._evaluate, self._progress = plan, evaluate, progress
        self._lock, self._efforts = threading.Lock(), EffortMeter()
        self.stopped = False
        direction = "maximize" if plan.higher_is_better else "minimize"
        pruner = (
            optuna.pruners.MedianPruner(n_startup_trials=min(5, STARTUP_TRIALS))
            if plan.pruning == "median"
            else optuna.pruners.NopPruner()
        )
        self._stored = _stored_study(plan, direction)
        self.study = optuna.create_study(direction=direction, pruner=pruner, sampler=self._sampler(0))
        known = [] if self._stored is None else self._stored.get_trials(deepcopy=False)
        self.study.add_trials(known[: plan.trials])
        self.finished = [_finished(trial) for trial in known[: plan.trials]]
        # Trials that ran side by side may have left gaps: a number that has ended is never proposed again, the others are.
        ended = {trial.number for trial in self.finished}
        free = (number for number in itertools.count() if number not in ended)
        self._numbers = itertools.islice(free, plan.trials - len(self.finished))
        if 0 not in ended and plan.first:
            self.study.enqueue_trial(dict(plan.first))
        spent = sum(trial.seconds for trial in self.finished) / plan.parallel
        self._deadline = None if plan.seconds is None else time.perf_counter() + plan.seconds - spent
        self._spending = None if plan.budget is None else plan.budget.begin()
        self._is_cut_short = False

    def work(self) -> None:
        """Judge trials until the budget is spent; an error that is none of a trial's own stops all threads."""
        try:
            while (proposed := self.propose()) is not None:
                self._judge(*proposed)
        except BaseException:
            self.stopped = True
            raise

    def _sampler(self, number: int) -> Any:
        """The sampler of one trial: its random numbers depend on the seed and the trial's number alone."""
        import numpy as np
        import optuna

        seed = int(np.random.SeedSequence([self._plan.seed, number]).generate_state(1)[0])
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)

    def out_of_time(self) -> bool:
        """Whether trials that have not ended are to be cut off."""
        return self.stopped or (self._deadline is not None and time.perf_counter() >= self._deadline)

    def result(self, resumed: int, seconds: float) -> SearchResult:
        """All trials that ended, and what became of the budget."""
        trials = tuple(sorted(self.finished, key=lambda trial: trial.number))
        found, budget = SearchResult(trials, self._plan.higher_is_better, resumed, seconds), self._plan.budget
        if budget is None or self._spending is None:
            return found
        money = {"spent": self._spent(), "currency": self._spending.currency, "budget": budget.most}
        return replace(found, **money, is_cut_short=self._is_cut_short)  # type: ignore[arg-type]

    def _spent(self) -> float:
        """Money so far; 0 without a budget."""
        return 0.0 if self._spending is None else self._spending.spent(sum(trial.seconds for trial in self.finished))

    def _is_spent(self) -> bool:
        """Whether the money is spent: no trial is begun then, and those under way come to their end."""
        if self._plan.budget is None or self._spent() < self._plan.budget.most:
            return False
        if not self._is_cut_short:
            self._progress(f"{self._plan.name}: its budget is spent after {len(self.finished)} trials")
        self._is_cut_short = True
        return True

    def propose(self) -> tuple[Any, Trial] | None:
        """The next trial, or None when time, trials or money are spent."""
        with self._lock:
            number = None if self.out_of_time() else next(self._numbers, None)
            if number is None or self._is_spent():
                return None
            self.study.sampler = self._sampler(number)
            proposed = self.study.ask()
            settings = {name: _suggest(proposed, name, dimension) for name, dimension in self._plan.space.items()}
        return proposed, Trial(number, settings, self._plan.seed)

    def _judge(self, proposed: Any, trial: Trial) -> None:
        """One trial, fold by fold; recorded when it has come to an end of its own."""
        started, values, efforts, problem = time.perf_counter(), list[float](), list[Effort](), None
        state: State = "complete"
        try:
            with self._efforts.part() as part:
                for value in self._evaluate(trial):
                    values.append(float(value))
                    efforts.append(part.lap())
                    proposed.report(values[-1], len(values) - 1)
                    last = len(values) == self._plan.folds
                    if not last and self.out_of_time():
                        return
                    if not last and proposed.should_prune():
                        state = "pruned"
                        break
        except TrialFailed as error:
            state, problem = "failed", str(error)
        seconds = time.perf_counter() - started
        done = FinishedTrial(
            trial.number, trial.settings, tuple(values), state, seconds, problem, efforts=tuple(efforts)
        )
        self.record(proposed, done)

    def record(self, proposed: Any, done: FinishedTrial) -> None:
        """Tell Optuna, and write the trial to the storage in one transaction."""
        import optuna

        states = optuna.trial.TrialState
        state = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[done.state]
        with self._lock:
            for name, value in (
                (_VALUES, list(done.values)),
                (_PROBLEM, done.problem),
                (_SECONDS, done.seconds),
                (_STATE, done.state),
                ("number", done.number),
            ):
                proposed.set_user_attr(name, value)
            recorded = self.study.tell(proposed, done.mean if done.state == "complete" else None, state)
            if self._stored is not None:
                self._stored.add_trial(recorded)
            self.finished.append(done)
        shown = ", ".join(f"{name} {_short(value)}" for name, value in done.settings.items())
        outcome = done.problem or f"{done.mean:.4f}"
        self._progress(
            f"trial {done.number + 1} of {self._plan.trials}: {done.state}, {outcome}, {shown}, {done.seconds:.1f} s"
        )


def _stored_study(plan: SearchPlan, direction: str) -> Any:
    """The study in the storage; None without a storage."""
    import optuna

    if plan.storage is None:
        return None
    try:
        storage = optuna.storages.RDBStorage(plan.storage)
        return optuna.create_study(storage=storage, study_name=plan.name, direction=direction, load_if_exists=True)
    except Exception as error:
        raise SearchError(
            f"the search's storage {_without_password(plan.storage)} cannot be used: {error}; correct `storage` of the search, or "
            "the rights of its folder"
        ) from error


def _without_password(address: str) -> str:
    """An address that can be shown."""
    head, separator, tail = address.rpartition("@")
    return f"{head.partition('://')[0]}://***@{tail}" if separator else address


def _suggest(proposed: Any, name: str, dimension: Dimension) -> Any:
    """A value of one setting."""
    if isinstance(dimension, Choices):
        return proposed.suggest_categorical(name, list(dimension.choices))
    if isinstance(dimension, FloatRange):
        return proposed.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
    return proposed.suggest_int(name, dimension.low, dimension.high, log=dimension.log)


def _finished(stored: Any) -> FinishedTrial:
    """A stored trial in our own words."""
    attributes: Mapping[str, Any] = stored.user_attrs
    return FinishedTrial(
        number=attributes["number"],
        settings=dict(stored.params),
        values=tuple(attributes[_VALUES]),
        state=attributes[_STATE],
        seconds=attributes[_SECONDS],
        problem=attributes[_PROBLEM],
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Optuna says only what is wrong meanwhile: the trials are reported by us."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
