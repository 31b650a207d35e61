"""`python -m platform_assets.deployment.local.rollout_watcher ROOT PORT OPTIONS`: takes a dead version's requests away, and keeps counts.

Belongs here: looking at the arms of rollouts that wait, four times a second; a version that is dead is no question of statistics. Does not
belong here: judging a version that lives (`experiments/sequential/`), and what an abort does (`rollout/machine.py`).

supervisord keeps it running while a rollout waits. What it reads (the target's state, the proxy's counts) it reads without the target's
lock; an abort is a command like any other, and says which revision it is about.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from platform_assets.deployment.errors import DeploymentError, NoRollout, RolloutChanged
from platform_assets.deployment.local.envoy import ArmCounts
from platform_assets.deployment.local.host import LOOPBACK
from platform_assets.deployment.local.rollout_counters import append_counters
from platform_assets.deployment.local.state import Arm, TargetState
from platform_assets.deployment.local.target import LocalTarget
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import WATCHER, Abort
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import CounterBlock
from serving.json_logs import log_to_standard_error

logger = logging.getLogger("rollout-watcher")

POLL_SECONDS = 0.25
IDLE_SECONDS = 1.0
CONNECT_SECONDS = 0.5
POLLS_DOWN = 2
FAILED_REQUESTS = 20
BLOCK_SECONDS, LATER_BLOCK_SECONDS = 1.0, 10.0
LATER_AFTER_SECONDS = 3600.0
"""After so long in one stage blocks are longer: an experiment of weeks leaves a file of megabytes."""


@dataclass
class ArmHistory:
    """What was seen of one arm since the watcher began to look at it.

    Attributes:
        ever_up: a process of it answered once; before, it may still be on its way back.
        polls_down: so many polls in a row nothing of it answered.
        failed_in_a_row: so many requests failed since a poll that saw one answered.
        requests: in the present block.
        errors: in the present block.
    """

    ever_up: bool = False
    polls_down: int = 0
    failed_in_a_row: int = 0
    requests: int = 0
    errors: int = 0
    counts: ArmCounts | None = None

    def add(self, counts: ArmCounts, up: bool) -> None:
        """Take in one poll. Counts that shrink are those of a proxy that was started again."""
        before = self.counts or counts
        if counts.requests < before.requests:
            before = ArmCounts(0, 0, before.healthy)
        requests, errors = counts.requests - before.requests, counts.errors - before.errors
        self.counts = counts
        self.requests, self.errors = self.requests + requests, self.errors + errors
        self.failed_in_a_row = 0 if requests > errors else self.failed_in_a_row + errors
        self.ever_up = self.ever_up or up
        self.polls_down = 0 if up else self.polls_down + 1

    def taken(self, arm: str, at: str) -> CounterBlock:
        """The present block, which ends."""
        block = CounterBlock(at, arm, self.requests, self.errors)
        self.requests = self.errors = 0
        return block


def why_dead(new: ArmHistory, old: ArmHistory) -> str | None:
    """What is wrong with the new arm beyond doubt; None while nothing is, or the old one is no better."""
    if new.ever_up and new.polls_down >= POLLS_DOWN and old.polls_down == 0:
        return "no process of it answers any more"
    if new.failed_in_a_row >= FAILED_REQUESTS and old.failed_in_a_row == 0:
        return f"each of its last {new.failed_in_a_row} requests failed"
    return None


def accepts(arm: Arm) -> bool:
    """Whether a process of the arm takes connections."""
    for program in arm.programs:
        try:
            socket.create_connection((LOOPBACK, program.port), timeout=CONNECT_SECONDS).close()
        except OSError:
            continue
        return True
    return False


@dataclass
class WatchedRollout:
    """One rollout that waits.

    Attributes:
        new_arm: which one it is.
        began: when it was seen first, by `time.monotonic`.
        block_began: when the present block began.
    """

    new_arm: str
    began: float
    block_began: float
    new: ArmHistory = field(default_factory=ArmHistory)
    old: ArmHistory = field(default_factory=ArmHistory)

    def block_is_over(self, at: float) -> bool:
        """Whether the present block is to be written."""
        seconds = BLOCK_SECONDS if at - self.began < LATER_AFTER_SECONDS else LATER_BLOCK_SECONDS
        return at - self.block_began >= seconds


@dataclass
class RolloutWatcher:
    """Looks at every rollout of one target that waits."""

    target: LocalTarget
    accepts: Callable[[Arm], bool] = accepts
    watched: dict[str, WatchedRollout] = field(default_factory=dict)

    def poll(self) -> bool:
        """Look once; False when nothing waits."""
        state = self.target.stored()
        waiting = {
            name: use_case.rollout
            for name, use_case in (state.use_cases if state else {}).items()
            if use_case.rollout is not None and use_case.rollout.waiting
        }
        for gone in set(self.watched) - set(waiting):
            del self.watched[gone]
        if state is None or not waiting:
            return False
        try:
            counts = self.target.arm_counts()
        except DeploymentError as error:
            logger.warning("the proxy is not asked: %s", error)
            return True
        for use_case, rollout in waiting.items():
            self._look(state, use_case, rollout, counts)
        return True

    def _look(self, state: TargetState, use_case: str, rollout: Rollout, counts: dict[str, ArmCounts]) -> None:
        new, old = state.arm(use_case, rollout.new), state.arm(use_case, rollout.old or "")
        if new is None or old is None:
            return
        at = time.monotonic()
        watched = self.watched.get(use_case)
        if watched is None or watched.new_arm != new.name:
            watched = self.watched[use_case] = WatchedRollout(new.name, at, at)
        for arm, history in ((new, watched.new), (old, watched.old)):
            seen = counts.get(arm.name, ArmCounts(0, 0, 0))
            history.add(seen, seen.healthy > 0 and self.accepts(arm))
        if watched.block_is_over(at):
            watched.block_began = at
            blocks = [watched.new.taken(new.name, now()), watched.old.taken(old.name, now())]
            append_counters(self.target.root, use_case, new.name, [block for block in blocks if block.requests])
        reason = why_dead(watched.new, watched.old)
        if reason is not None:
            self._abort(use_case, rollout, f"version {new.version} is dead: {reason}")

    def _abort(self, use_case: str, rollout: Rollout, reason: str) -> None:
        logger.error("%s: %s", use_case, reason)
        try:
            ended = self.target.advance(use_case, rollout.revision, Abort(reason, WATCHER, now()))
            logger.info("%s: the rollout is %s", use_case, ended.phase)
        except (NoRollout, RolloutChanged) as error:
            logger.info("%s: somebody else decided first: %s", use_case, error)
        except DeploymentError as error:
            logger.error("%s: the abort is tried again: %s", use_case, error)


def main(root: str, port: str, options: str) -> NoReturn:
    """Look until the process manager ends this process."""
    log_to_standard_error({"program": "rollout-watcher"})
    logging.getLogger("httpx").setLevel(logging.WARNING)
    watcher = RolloutWatcher(LocalTarget(Path(root), int(port), **json.loads(options)))
    while True:
        began = time.monotonic()
        try:
            pause = POLL_SECONDS if watcher.poll() else IDLE_SECONDS
        except DeploymentError as error:  # a state that cannot be read is told by whoever runs a command
            logger.error("%s", error)
            pause = IDLE_SECONDS
        time.sleep(max(0.0, pause - (time.monotonic() - began)))


if __name__ == "__main__":
    main(*sys.argv[1:])
