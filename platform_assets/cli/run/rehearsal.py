"""`platform-assets rollout rehearse`: the next model as a canary beside the one that serves, under replayed traffic, until a verdict.

Belongs here: making the next model, its stages and guards, the traffic, and looking again and again. Does not belong here: what a look
comes to (`pipelines/advance_rollout.py`), or a rollout that real callers judge, which needs no rehearsal.

The second version is the model trained as of the day after the live days, by the same declaration. Half of the requests go to it. Both
versions run on this one machine and share its cores with training's leftovers, so that the tolerated latency is wide; blocks of time are
short, because a rehearsal lasts minutes and not hours. Where a rollout waits already, it is that one that is judged.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from time import monotonic, sleep
from uuid import uuid4

from platform_assets.cli.console import console, step
from platform_assets.cli.rollout import show_rollout
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.refused import print_refused
from platform_assets.cli.run.replay import Traffic, send
from platform_assets.cli.run.steps import panel_of_day
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.declaration.names import CHAMPION
from platform_assets.declaration.sections.rollout import CanaryStage, ReplaceStage
from platform_assets.installation import Installation
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.dagster_folder import use_dagster_of_environment
from platform_assets.orchestration.in_process import InProcess, RunFailed
from platform_assets.pipelines.advance_rollout import StepOutcome, advance_rollout
from platform_assets.pipelines.jobs import TRAIN
from platform_assets.pipelines.turns import one_run_at_a_time
from platform_assets.pipelines.write_rollout_page import write_rollout_page
from platform_assets.settings import Settings

STAGES = (
    CanaryStage(strategy="canary", steps_percent=(50,), step_minutes=0.5, at_most_hours=1),
    ReplaceStage(strategy="replace"),
)
GUARDS = {"error_ratio": 0.01, "latency_p99_ratio": 1.0, "decision_shift": 0.04, "block_seconds": 2}
LOOK_SECONDS = 6
MOST_SECONDS = 240
REQUESTS_AT_ONCE = 200
ENDED = {StepOutcome.NOTHING, StepOutcome.PROMOTED, StepOutcome.ABORTED, StepOutcome.FINISHED, StepOutcome.HELD}


@dataclass(frozen=True)
class Rehearsed:
    """How a rehearsal ended.

    Attributes:
        traffic: what the callers saw.
        outcome: of the last look.
    """

    traffic: Traffic
    outcome: StepOutcome


def rehearse_rollouts(settings: Settings, name: str | None) -> None:
    """Rehearse the rollout of one use case, or of all that answer requests.

    Raises:
        RunFailed: the next model was not made, for another reason than its gates.
    """
    settings.prepare()
    use_dagster_of_environment(settings.home, settings.own_home)
    with one_run_at_a_time(settings.home):
        installation = Installation(settings, STAGES)
        jobs = InProcess.of(installation, console.print)
        for declared in declared_use_cases(name, warned=True):
            if declared.use_case.is_realtime and declared.use_case.answers_requests:
                _rehearse(Journey(declared, installation, jobs))
            else:
                console.print(f"{declared.use_case.name} answers no requests: nothing to rehearse")


def _rehearse(journey: Journey) -> None:
    use_case, installation = journey.use_case, journey.installation
    day = journey.days.live.last + ONE_DAY
    target = installation.serving.target()
    target.ensure_running()
    if target.rollout(use_case.name) is None:
        if day in journey.done(MODEL, CHAMPION):
            console.print(f"{use_case.name}: the model as of {day} was rolled out before")
        elif not _make_next_model(journey, day):
            return
    if target.rollout(use_case.name) is not None:
        with step("canary: half of the requests to the new version, until a verdict"):
            rehearsed = _judge(journey, day)
        console.print(
            f"  {rehearsed.traffic.sent:,} requests, {len(rehearsed.traffic.failures)} failed; the rollout: {rehearsed.outcome}"
        )
    show_rollout(installation, use_case)
    page, _ = write_rollout_page(use_case.name, installation.serving)
    console.print(f"  page {page}", markup=False, soft_wrap=True)


def _make_next_model(journey: Journey, day: date) -> bool:
    """Train, judge and package the next model, and begin its rollout; False when its gates refused it.

    Raises:
        RunFailed: it failed for another reason.
    """
    try:
        journey.catch_up(day, {TRAIN: DayRange(day, day)})
    except RunFailed:
        if not print_refused(journey, day):
            raise
        console.print(f"{journey.use_case.name}: no second version, the first one serves on")
        return False
    return True


def _judge(journey: Journey, day: date) -> Rehearsed:
    """Look again and again while requests come, until the rollout ends, is held, or time is over."""
    use_case, installation = _with_guards(journey.use_case), journey.installation
    run_id, began = f"rehearsal {uuid4().hex[:12]}", monotonic()
    with _traffic(journey, day) as traffic:
        while True:
            sleep(LOOK_SECONDS)
            look = advance_rollout(use_case, installation.models, installation.serving, run_id)
            console.print(f"    {monotonic() - began:.0f} s: {look.outcome}: {look.sentence}", markup=False)
            if look.outcome in ENDED or monotonic() - began > MOST_SECONDS:
                break
    return Rehearsed(traffic, look.outcome)


def _with_guards(use_case: UseCase) -> UseCase:
    """The declaration with the rehearsal's guards."""
    guards = use_case.serving.guards.model_copy(update=GUARDS)
    return use_case.model_copy(update={"serving": use_case.serving.model_copy(update={"guards": guards})})


@contextmanager
def _traffic(journey: Journey, day: date) -> Iterator[Traffic]:
    """Send a day's events in the background, again from the first when all were sent; an event that comes again counts once."""
    events, over, traffic = panel_of_day(journey, day), threading.Event(), Traffic()
    target = journey.installation.serving.target()
    status = target.status()
    place = status.use_cases[journey.use_case.name].address, status.own_socket

    def send_all() -> None:
        start = 0
        while not over.is_set() and not events.is_empty():
            traffic.merge(send(events.slice(start, REQUESTS_AT_ONCE), journey.use_case, *place))
            start = start + REQUESTS_AT_ONCE if start + REQUESTS_AT_ONCE < events.height else 0

    caller = threading.Thread(target=send_all, name="replay")
    caller.start()
    try:
        yield traffic
    finally:
        over.set()
        caller.join()
