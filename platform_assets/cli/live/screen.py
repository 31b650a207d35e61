"""What is printed of a live world: a line for each day, and at the end what happened, how long it took, and where to look.

Belongs here: words. Does not belong here: what happened (`driver.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from platform_assets.cli.console import console
from platform_assets.cli.live.observation import last_day
from platform_assets.monitoring.operations import RunState

if TYPE_CHECKING:
    from platform_assets.cli.live.driver import LiveDay, LiveStory
    from platform_assets.cli.live.observation import LiveVerdict
    from platform_assets.cli.live.world import LiveWorld
    from platform_assets.cli.run.replay import Traffic

SHOWN_CAUSES = 4


def print_header(world: LiveWorld, ui_port: int | None) -> None:
    """Print what begins."""
    planted = f"{world.drift} drift from {world.drift_day} on" if world.drift else "no drift"
    console.print(
        f"[bold]{world.use_case.name}[/]: a world that goes on by itself, {world.days.first} .. {world.days.last}, {planted}"
    )
    console.print(f"  home {world.home}, logs {world.home / 'logs'}", markup=False)
    console.print(f"  address http://127.0.0.1:{world.port}/v1/{world.use_case.name}", markup=False)
    if ui_port is not None:
        console.print(f"  Dagster http://127.0.0.1:{ui_port}, once the days go by", markup=False)


def print_beginning(answered_seconds: float, seconds: float, traffic: Traffic) -> None:
    """Print what there is when the daemon takes over."""
    console.print(
        f"[bold]handover[/] after {seconds:.0f} s: the first answer after {answered_seconds:.0f} s, {traffic.sent:,} requests so far, "
        f"{len(traffic.failures)} failed; from here on nobody but the daemon starts anything"
    )


def print_day(world: LiveWorld, one: LiveDay) -> None:
    """Print a line of a day, and those that say why something is not as usual."""
    failed = f", {len(one.traffic.failures)} failed" if one.traffic.failures else ""
    planted = "  [yellow]drift begins[/]" if world.drift and one.day == world.drift_day else ""
    console.print(
        f"[bold]{one.day}[/] {one.traffic.sent:>5} requests{failed}, p99 {one.traffic.percentile_ms(99):.0f} ms; "
        f"{_runs(one)}; {one.seconds:.0f} s{planted}"
    )
    console.print(f"           drift {_verdict(one.drift)}; quality {_verdict(one.quality)}; {_serving(one)}")
    if one.decision is not None and one.decision.verdict != "nothing":
        console.print(f"           decision [bold]{one.decision.verdict}[/]: {escape(one.decision.reason)}")
    if not one.is_quiet:
        console.print("           [yellow]the next day begins although not everything of this one is done[/]")


def _runs(one: LiveDay) -> str:
    done: dict[str, int] = {}
    for run in one.runs:
        name = run.job
        if run.state is not RunState.SUCCEEDED:
            name = f"[red]{name} {run.state}[/]"
        done[name] = done.get(name, 0) + 1
    return ", ".join(name if count == 1 else f"{name} x{count}" for name, count in done.items()) or "no runs"


def _verdict(verdict: LiveVerdict | None) -> str:
    if verdict is None:
        return "[dim]not known yet[/]"
    if not verdict.causes:
        return verdict.status
    shown = ", ".join(cause.partition(":")[2] or cause for cause in verdict.causes[:SHOWN_CAUSES])
    more = f" and {len(verdict.causes) - SHOWN_CAUSES} more" if len(verdict.causes) > SHOWN_CAUSES else ""
    return f"[yellow]{verdict.status}[/] ({escape(shown)}{more})"


def _serving(one: LiveDay) -> str:
    asked = f"a model was asked for as of {last_day(one.asked[-1])}: {one.asked[-1].state}; " if one.asked else ""
    if one.serving is None:
        return f"{asked}nothing answers"
    shares = ", ".join(f"{version} {weight} %" for version, weight in one.serving.weights.items() if weight)
    rolled = " (rollout under way)" if one.serving.is_rolled_out else ""
    return f"{asked}champion {one.serving.version} as of {one.serving.as_of}, requests to {shares}{rolled}"


def print_story(story: LiveStory) -> None:
    """Print how it ended, what it took, and where to look."""
    console.rule(f"[bold]{story.world.use_case.name}")
    word = "[bold green]as expected[/]" if story.is_as_expected else "[bold red]not as expected[/]"
    console.print(f"{word}: {_ending(story)}")
    for line in _delays(story):
        console.print(f"  {line}")
    failed = [run for one in story.days for run in one.runs if run.state is not RunState.SUCCEEDED]
    requests = sum(one.traffic.sent for one in story.days)
    errors = sum(len(one.traffic.failures) for one in story.days)
    console.print(f"  {requests:,} requests, {errors} failed; {len(failed)} runs failed; {story.seconds:.0f} s in all")
    console.print("  everything that was started is stopped. Next:")
    home = story.world.home
    console.print(
        f"    PLATFORM_ASSETS_HOME={home} PLATFORM_ASSETS_AUTOMATION=off make dev   the runs, checks and assets of these days",
        markup=False,
    )
    console.print(f"    PLATFORM_ASSETS_HOME={home} make status   the ledger: who promoted what, and why", markup=False)


def _ending(story: LiveStory) -> str:
    world = story.world
    if world.drift is None:
        if story.asked is None:
            return f"{len(story.days)} quiet days, and monitoring asked for no model"
        return f"monitoring asked for a model as of {story.asked}, and nothing had changed"
    if story.noticed is None:
        return f"the {world.drift} drift of {world.drift_day} was not noticed within {len(story.days)} days"
    if story.asked is None:
        wrong = "no model was asked for"
        return (
            f"{wrong}: data that is wrong is mended at its source"
            if world.drift == "upstream"
            else f"it was noticed, and {wrong}"
        )
    if story.is_answered and story.days[-1].serving is not None:
        answered = f", which answered {story.answered.sent} requests" if story.answered else ""
        return f"the drift was answered by version {story.days[-1].serving.version} as of {story.days[-1].serving.as_of}{answered}"
    return f"a model was asked for as of {story.asked}, and it does not answer yet"


def _delays(story: LiveStory) -> list[str]:
    """In days of the world, and in seconds."""
    world, lines = story.world, [f"the first model answered after {story.first_answer_seconds:.0f} s"]
    if world.drift is None:
        return lines
    if story.noticed is not None:
        lines.append(
            f"drift from {world.drift_day} on, known on {story.noticed}: {(story.noticed - world.drift_day).days} days"
        )
    if story.asked is not None:
        lines.append(
            f"a model was asked for as of {story.asked}: {(story.asked - world.drift_day).days} days after the drift"
        )
    if story.is_answered:
        since = sum(one.seconds for one in story.days if one.day >= world.drift_day)
        lines.append(
            f"the new model answered {since:.0f} s after the drift began, {story.seconds:.0f} s after the first command"
        )
    return lines
