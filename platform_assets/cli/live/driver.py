"""Letting a live world's days go by: its traffic, its clock, and when it has shown what it is for.

Belongs here: the loop over days, and how it ends. Does not belong here: what starts by itself when the clock moves (Dagster's daemon does
that), reading what happened (`observation.py`), or printing (`screen.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic, sleep

from platform_assets.cli.console import step
from platform_assets.cli.live.children import end_earlier, kept_running
from platform_assets.cli.live.observation import (
    LiveDecision,
    LiveModel,
    LiveVerdict,
    asked_for_by_monitoring,
    decided_on,
    drift_on,
    last_day,
    quality_on,
    serving_now,
)
from platform_assets.cli.live.pictures import Album, installed_browser
from platform_assets.cli.live.screen import print_beginning, print_day, print_header
from platform_assets.cli.live.world import LiveWorld
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.replay import Traffic, send
from platform_assets.cli.run.steps import load_live_day, panel_of_day, train_on_history
from platform_assets.declaration.days import ONE_DAY
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.features.aggregation.compilation import compiled_meanwhile
from platform_assets.installation import Installation
from platform_assets.monitoring.operations import RunFact, RunState
from platform_assets.orchestration.assembly import definitions_of_folder
from platform_assets.orchestration.daemon import Child, end_runs, runs_since, wait_until_quiet
from platform_assets.orchestration.dagster_folder import move_into
from platform_assets.orchestration.in_process import InProcess, open_instance, with_progress
from platform_assets.pipelines.turns import one_run_at_a_time
from platform_assets.pipelines.use_case_state.read import sources_of
from platform_assets.settings import environment_variables

MOST_SECONDS = 240.0
"""After so long the next day begins, whatever is left to do."""
FIRST_WINDOW_SHARE = 0.5
"""Of a day's requests, on the days before the daemon takes over."""
REQUESTS_AFTER = 200
"""So many requests show that the new model answers."""


@dataclass(frozen=True)
class LiveDay:
    """A day that went by, as it looked when nothing was left to do.

    Attributes:
        day: whose requests were sent.
        traffic: what its callers saw.
        runs: that ended since the day before, the oldest first.
        drift, quality: verdicts that became known; None where there was none.
        decision: whether a model is asked for; None where nothing was decided.
        asked: trainings that monitoring has asked for so far.
        serving: which model answers.
        is_quiet: whether nothing was left to do when the next day began.
        seconds: it took.
    """

    day: date
    traffic: Traffic
    runs: tuple[RunFact, ...]
    drift: LiveVerdict | None
    quality: LiveVerdict | None
    decision: LiveDecision | None
    asked: tuple[RunFact, ...]
    serving: LiveModel | None
    is_quiet: bool
    seconds: float

    @property
    def is_violated(self) -> bool:
        """Whether monitoring found something that a new model could help against."""
        return any(verdict is not None and verdict.causes for verdict in (self.drift, self.quality))


@dataclass
class LiveStory:
    """What happened.

    Attributes:
        world: in which.
        first_answer_seconds: until the first model answered.
        days: that went by.
        answered: requests that the new model answered at the end, by whether they succeeded.
        seconds: of it all.
    """

    world: LiveWorld
    first_answer_seconds: float = 0.0
    days: list[LiveDay] = field(default_factory=list)
    answered: Traffic | None = None
    seconds: float = 0.0

    @property
    def noticed(self) -> date | None:
        """The first day as of which a drift that was planted was known; None while it is not."""
        planted = self.world.drift_day
        return next((one.day + ONE_DAY for one in self.days if one.day >= planted and one.is_violated), None)

    @property
    def asked(self) -> date | None:
        """The day as of which monitoring first asked for a model; None while it has not."""
        return next((last_day(run) for one in self.days for run in one.asked), None)

    @property
    def is_answered(self) -> bool:
        """Whether a model that monitoring asked for answers all requests."""
        last = self.days[-1] if self.days else None
        if last is None or last.serving is None or not last.serving.answers_alone:
            return False
        made = {last_day(run) for run in last.asked if run.state is RunState.SUCCEEDED}
        return last.serving.as_of in made

    @property
    def is_as_expected(self) -> bool:
        """Whether the world showed what it was made for."""
        if self.world.drift is None:
            return self.asked is None and len(self.days) == len(self.world.days.days)
        if self.world.drift == "upstream":  # data that is wrong is no reason to learn from it
            return self.noticed is not None and self.asked is None
        return self.is_answered


def run_live(
    declared: DeclaredUseCase,
    world: LiveWorld,
    environment: dict[str, str],
    ui_port: int | None,
    pictures: Path | None = None,
) -> LiveStory:
    """Begin a world, let its days go by, and stop everything that was started.

    Args:
        declared: the use case and its folder.
        world: what is asked for.
        environment: settings of the world, which take the place of this process's own.
        ui_port: of Dagster's web UI; None for none.
        pictures: a folder for pictures of the page before, while and after the drift is there; None for none.

    Raises:
        LiveWorldError: the world cannot begin, or there is no browser that takes pictures.
        ProcessEnded: one of its processes ended.
        RunFailed: the first model was not made.
    """
    began, installation = monotonic(), Installation.from_environment(environment)
    browser = None if pictures is None else installed_browser()
    if world.is_there:
        end_earlier(world.home)
        installation.serving.target().stop_all()
    world.prepare()
    world.write_settings(environment)
    move_into(environment)
    installation.settings.prepare()
    story = LiveStory(world)
    here = world.declare(declared.folder)
    definitions = with_progress(definitions_of_folder(installation, here.folder), _nobody)
    journey = Journey(here, installation, InProcess(definitions, open_instance()), world.timeline)
    album = None if pictures is None or browser is None else Album(pictures, lambda: _page_of(journey), browser)
    print_header(world, ui_port)
    target = installation.serving.target()
    try:
        with one_run_at_a_time(world.home), compiled_meanwhile():
            target.ensure_running()
            train_on_history(journey)
            story.first_answer_seconds = monotonic() - began
            traffic = _first_window(journey, world)
        print_beginning(story.first_answer_seconds, monotonic() - began, traffic)
        with kept_running(world, environment_variables(), ui_port) as children:
            _let_days_go_by(journey, story, children, traffic, album)
    finally:
        end_runs(journey.jobs, journey.use_case)
        target.stop_all()
    story.seconds = monotonic() - began
    return story


def _nobody(line: str) -> None:
    """The steps of a run are told by their titles alone."""


def _first_window(journey: Journey, world: LiveWorld) -> Traffic:
    """The days that the first model answers before the daemon takes over, each with its batch load; what their callers saw."""
    total = Traffic()
    with step(f"the first window of monitoring, {world.first_window}"):
        for day in world.first_window.days:
            total.merge(_requests_of(journey, day, world.requests_a_day * FIRST_WINDOW_SHARE))
            world.clock.move(world.morning_of(day + ONE_DAY))
            load_live_day(journey, day)
    return total


def _page_of(journey: Journey) -> Path:
    """Write the page of the use case as it is now; the daemon does that as well, up to a minute later."""
    journey.jobs.make_page(journey.use_case, sources_of(journey.installation))
    return journey.installation.serving.page_folder() / f"{journey.use_case.name}.html"


def _let_days_go_by(
    journey: Journey, story: LiveStory, children: list[Child], traffic: Traffic, album: Album | None
) -> None:
    """The morning of the handover, and then the live days."""
    began, seen = datetime.now(UTC), set[str]()
    handover = _morning_after(journey, story.world, children, story.world.first_window.last, traffic, (began, seen))
    seen |= {run.run_id for run in handover.runs}
    print_day(story.world, handover)
    if album is not None:
        album.take("before")
    for day in story.world.days.days:
        one = _live_through(journey, story.world, children, day, (began, seen))
        seen |= {run.run_id for run in one.runs}
        story.days.append(one)
        print_day(story.world, one)
        if album is not None and story.noticed is not None:
            album.take("during")
        if story.world.drift not in (None, "upstream") and story.is_answered:
            story.answered = _requests_of(journey, day + ONE_DAY, REQUESTS_AFTER)
            break
    if album is not None and story.is_answered:
        album.take("after")


def _live_through(
    journey: Journey, world: LiveWorld, children: list[Child], day: date, before: tuple[datetime, set[str]]
) -> LiveDay:
    """A day's requests, and the morning after."""
    began = monotonic()
    traffic = _requests_of(journey, day)
    one = _morning_after(journey, world, children, day, traffic, before)
    while (left := began + world.seconds_per_day - monotonic()) > 0:
        sleep(min(left, 1.0))
    return replace(one, seconds=monotonic() - began)


def _morning_after(
    journey: Journey,
    world: LiveWorld,
    children: list[Child],
    day: date,
    traffic: Traffic,
    before: tuple[datetime, set[str]],
) -> LiveDay:
    """What the daemon does once a day is over, with the runs that ended since a moment and that no day before has told of."""
    (since, seen), began = before, monotonic()
    world.clock.move(world.morning_of(day + ONE_DAY))
    is_quiet = wait_until_quiet(journey.jobs, journey.use_case, children, MOST_SECONDS)
    runs = runs_since(journey.jobs, journey.use_case, since)
    return LiveDay(
        day=day,
        traffic=traffic,
        runs=tuple(run for run in runs if run.ended_at is not None and run.run_id not in seen),
        drift=drift_on(journey, day + ONE_DAY),
        quality=quality_on(journey, day + ONE_DAY),
        decision=decided_on(journey, day + ONE_DAY),
        asked=asked_for_by_monitoring(runs),
        serving=serving_now(journey),
        is_quiet=is_quiet,
        seconds=monotonic() - began,
    )


def _requests_of(journey: Journey, day: date, about: float | None = None) -> Traffic:
    """Send a day's requests to the address: about so many, or as many as the world has on a day."""
    events = panel_of_day(journey, day, about)
    status = journey.installation.serving.target().status()
    address = status.use_cases[journey.use_case.name].address
    return send(events, journey.use_case, address, status.own_socket)
