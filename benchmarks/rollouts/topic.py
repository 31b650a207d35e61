"""Rollouts of every strategy, promoted and aborted by turns, while requests come.

Belongs here: the rollouts, and what is counted of the answers. Does not belong here: the strategies
(`platform_assets/deployment/rollout/`), and whether a verdict is right (`verdicts/`).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.common.report import Bar, Topic
from benchmarks.rollouts.callers import Answered, Callers
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.events import Abort, Advance
from platform_assets.deployment.rollout.stages import Assignment, Plan, Stage, StageKind, planned
from platform_assets.experiments.assignment import Split, Variant, assign
from platform_assets.testing.child_process import ROOT

USE_CASE = "rolled_out"
RATE_PER_SECOND = 100.0
STAGE_SECONDS = 0.7
ABORT_SECONDS = 2.0
TIMES = 20
ASSIGNMENT = Assignment("rolled_out-1", "customer", 10_000, 4_000)
SPLIT = Split(
    USE_CASE, ASSIGNMENT.experiment, ASSIGNMENT.entity, ASSIGNMENT.traffic_buckets, ASSIGNMENT.treatment_buckets
)
KEEPING = Stage(StageKind.WEIGHT, 100, observe=False, minutes=60)
PLANS: dict[str, Plan] = {
    "replace": planned([KEEPING]),
    "canary": planned([Stage(StageKind.WEIGHT, share, observe=True) for share in (5, 25, 50)]),
    "shadow": planned([Stage(StageKind.MIRROR, 100, observe=True)]),
    "ab": planned([Stage(StageKind.SPLIT, 40, observe=True, assignment=ASSIGNMENT)]),
}


@dataclass
class Counted:
    """What came of the rollouts of one strategy."""

    rollouts: int = 0
    requests: int = 0
    failed: int = 0
    wrong_arm: int = 0
    not_logged: int = 0
    abort_seconds: list[float] = field(default_factory=list)


def measure_rollouts(times: int, log: Callable[[str], None]) -> Topic:
    """Roll out new versions by every strategy under load; every second one is aborted at its first stage.

    Args:
        times: rollouts of each strategy.
        log: told of every step.
    """
    counted = {}
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        root = Path(scratch)
        target = LocalTarget(root / "target", free_port(os.getpid(), ()), port_setting="the benchmark's port")
        try:
            serving = _release(root, "v0")
            target.deploy(serving)
            for name, plan in PLANS.items():
                counted[name] = Counted()
                for number in range(times):
                    coming = _release(root, f"{name}-{number}")
                    aborted = number % 2 == 1
                    _roll_out(target, coming, serving.version, plan, aborted, counted[name], root)
                    serving = serving if aborted else coming
                log(f"{name}: {counted[name]}")
        finally:
            target.stop_all()
    return _topic(counted, times)


def _release(root: Path, version: str) -> Release:
    command = [sys.executable, "-m", "uvicorn", "benchmarks.rollouts.service:app", "--port", "{port}"]
    environment = {"VERSION": version, "LOG": str(root / "log"), "PORT": "{port}"}
    return Release(USE_CASE, version, [*command, "--log-level", "error"], "/readyz", ROOT, environment, processes=2)


def _roll_out(
    target: LocalTarget, coming: Release, old: str, plan: Plan, aborted: bool, counted: Counted, root: Path
) -> None:
    """One rollout from the first request before it to the last one after it."""
    settled: list[tuple[float, float]] = []  # when a stage stood: what is true of its answers is true in between
    with Callers(target.address(USE_CASE), RATE_PER_SECOND) as callers:
        target.deploy(coming, plan)
        decided = 0.0
        while (view := target.rollout(USE_CASE)) is not None:
            began = time.monotonic()
            time.sleep(STAGE_SECONDS)
            decided = time.monotonic()
            if not settled:
                settled.append((began, decided))
            revision = view.rollout.revision
            decision = Abort("bench", "bench", now()) if aborted else Advance("bench", "bench", now())
            target.advance(USE_CASE, revision, decision)
        ended = time.monotonic()
        time.sleep(STAGE_SECONDS)
    lines = set((root / "log").read_text(encoding="utf-8").split("\n"))
    answers = callers.answers
    counted.rollouts += 1
    counted.requests += len(answers)
    counted.failed += sum(bool(one.failure) for one in answers)
    good = [one for one in answers if not one.failure]
    counted.not_logged += sum(f"live {one.request}" not in lines for one in good)
    stays = old if aborted else coming.version
    counted.wrong_arm += sum(one.version != one.header for one in good)
    counted.wrong_arm += sum(one.version != stays for one in good if one.sent > ended)
    counted.wrong_arm += _wrong_in_stage(good, settled[0], plan[0], old, coming.version)
    if aborted:
        last = max((one.answered for one in good if one.version == coming.version), default=decided)
        counted.abort_seconds.append(max(0.0, last - decided))


def _wrong_in_stage(answers: Sequence[Answered], between: tuple[float, float], stage: Stage, old: str, new: str) -> int:
    """Answers of the first stage by a version that may not give them; a share by chance says nothing of one answer."""
    within = [one for one in answers if between[0] < one.sent and one.answered < between[1]]
    if stage.kind is StageKind.MIRROR:
        return sum(one.version != old for one in within)
    if stage.kind is StageKind.SPLIT:
        own = {Variant.TREATMENT: new}
        return sum(one.version != own.get(assign(SPLIT, one.entity) or Variant.CONTROL, old) for one in within)
    return sum(one.version != new for one in within) if not stage.observe else 0


def _topic(counted: dict[str, Counted], times: int) -> Topic:
    rows = [
        [
            name,
            *(str(value) for value in (one.rollouts, one.requests, one.failed, one.wrong_arm, one.not_logged)),
            f"{median(one.abort_seconds):.2f}, at most {max(one.abort_seconds):.2f}" if one.abort_seconds else "",
        ]
        for name, one in counted.items()
    ]
    failed, wrong, missing = (
        sum(getattr(one, field) for one in counted.values()) for field in ("failed", "wrong_arm", "not_logged")
    )
    requests = sum(one.requests for one in counted.values())
    slowest = max((seconds for one in counted.values() for seconds in one.abort_seconds), default=0.0)
    return Topic(
        "Rollouts of every strategy under load",
        f"{RATE_PER_SECOND:.0f} requests a second from four connections in the process of the benchmark; {times} rollouts of each strategy "
        "on the local target, two processes for each version, every second one aborted in its first stage. The service writes a "
        "request's id to its log before it answers its version: the answer is held against the proxy's header, against the stage (shadow: "
        "the old version alone; A/B: the version of the entity by the platform's own assignment) and against the log. Seconds are from the "
        "command to abort until the last answer by the version that was coming.",
        ["", "rollouts", "requests", "failed", "by the wrong version", "not in the log", "abort to last answer, s"],
        rows,
        [
            Bar("no request fails", f"{failed} of {requests}", failed == 0),
            Bar("no answer comes from another version than it should", f"{wrong} of {requests}", wrong == 0),
            Bar("every acknowledged request is in the log", f"{missing} missing", missing == 0),
            Bar(
                f"an aborted version answers for less than {ABORT_SECONDS:g} s",
                f"{slowest:.2f} s",
                slowest < ABORT_SECONDS,
            ),
        ],
    )
