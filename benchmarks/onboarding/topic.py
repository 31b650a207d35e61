"""From a folder of files to what the gates say: commands, answers, edits and minutes of somebody who is new.

Belongs here: the journey on a terminal of its own, over folders with the dirt of real ones. Does not belong here: the folders
(`platform_assets/testing/team_folders.py`), and the command.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from benchmarks.common.report import Bar, Topic
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.team_folders import TEAM_FOLDERS, TeamFolder
from platform_assets.testing.terminal import ELSEWHERE, Terminal

TITLE = "From a team's files to a verdict"
MOST_MINUTES = 10
SECONDS_OF_AN_ANSWER = 30
"""Taken for reading a question with its guess and answering it; nobody was timed."""
_QUESTION = re.compile(r"\n  ([a-z_]+) (?:\[[^\n]*\]|\(Enter to leave it open\)): $")


@dataclass(frozen=True)
class Journey:
    """One way from files to a verdict.

    Attributes:
        commands: that were typed.
        questions: that were put.
        typed: answers other than Enter.
        seconds: of the commands.
        verdict: what was said of the gates; empty where there was none.
    """

    commands: int
    questions: int
    typed: int
    seconds: float
    verdict: str

    @property
    def minutes(self) -> float:
        """Of the commands and of the person."""
        return (self.seconds + self.questions * SECONDS_OF_AN_ANSWER) / 60


def measure_onboarding(log: Callable[[str], None], folders: int) -> Topic:
    """Each folder once.

    Args:
        log: told of every folder.
        folders: how many of them.
    """
    rows: list[Sequence[str]] = []
    slowest, without = 0.0, []
    for team in TEAM_FOLDERS[:folders]:
        with tempfile.TemporaryDirectory(prefix="platform-assets-onboarding-") as scratch:
            journey = _journey(team, Path(scratch))
        log(f"{team.name}: {journey.minutes:.1f} minutes, {journey.verdict or 'no verdict'}")
        slowest = max(slowest, journey.minutes)
        without += [] if journey.verdict else [team.name]
        rows.append(
            [
                team.name,
                team.dirt,
                str(journey.commands),
                f"{journey.questions} ({journey.typed} typed)",
                "0",
                f"{journey.seconds:.0f} s",
                f"{journey.minutes:.1f}",
                journey.verdict or "none",
            ]
        )
    bars = [
        Bar("every folder comes to a verdict", f"without one: {', '.join(without) or 'none'}", kept=not without),
        Bar(f"at most {MOST_MINUTES} minutes", f"{slowest:.1f}", kept=slowest <= MOST_MINUTES),
    ]
    how = (
        "`platform-assets init NAME --from FOLDER` on a pseudo-terminal, answered as a person would: Enter for every guess, and typed is "
        "what only a person knows. Folders are simulated, in the shape of public data sets. Minutes are those of the command and "
        f"{SECONDS_OF_AN_ANSWER} s for each question, which is an assumption (nobody was timed). No file was edited, and no "
        "source file read."
    )
    columns = ("folder", "what is wrong with it", "commands", "questions", "edits", "command", "minutes", "verdict")
    return Topic(TITLE, how, columns, rows, bars)


def _journey(team: TeamFolder, scratch: Path) -> Journey:
    """The one command, its questions answered until it ends."""
    files = scratch / "files"
    files.mkdir()
    team.write(files)
    environment = {**os.environ, "TERM": "dumb", "PYTHONPATH": str(ROOT), "PLATFORM_ASSETS_HOME": str(scratch / "home")}
    command = [sys.executable, "-c", ELSEWHERE, str(scratch / "__init__.py"), "init", team.name, "--from", str(files)]
    questions = typed = 0
    began = monotonic()
    with Terminal(command, environment, str(scratch)) as terminal:
        for found in terminal.prompts(_QUESTION):
            answer = team.answers.get(found[1], "")
            questions, typed = questions + 1, typed + bool(answer)
            terminal.type(f"{answer}\n")
        code = terminal.end()
    verdict = re.search(r"(\d+) gates: ([^\r\n]+)", terminal.screen)
    said = f"{verdict[1]} gates: {verdict[2]}" if verdict is not None and code == 0 else ""
    return Journey(1, questions, typed, monotonic() - began, said)
