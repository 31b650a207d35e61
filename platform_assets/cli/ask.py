"""Asking a person the questions of `init`, on any terminal.

Belongs here: a question and its answer on the screen, and keeping answers while they come. Does not belong here: what is asked
(`onboarding/interview.py`).

A line is read and nothing is drawn over: it works over ssh, in an editor's shell and in a terminal that can do nothing else.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import typer
from rich.markup import escape

from platform_assets.cli.console import console
from platform_assets.onboarding.answers import write_answers
from platform_assets.onboarding.facts import OnboardingError
from platform_assets.onboarding.interview import NOTHING, Question, Reply, usable

_SHOWN = 12
"""Choices that stand on the screen; any other may be typed."""


def is_conversation() -> bool:
    """Whether somebody sits in front of it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class Conversation:
    """Questions to a person, whose answers are kept as they come."""

    def __init__(self, draft: Path, known: dict[str, str]) -> None:
        """Begin.

        Args:
            draft: where answers are kept.
            known: answers that were given before.
        """
        self.draft = draft
        self.answers: dict[str, str] = dict(known)

    def ask(self, question: Question) -> Reply:
        """Put a question until its answer can be used; Enter takes the guess.

        Raises:
            typer.Abort: the person stopped.
        """
        console.print()
        console.print(f"[bold]{escape(question.text)}[/]")
        if question.why:
            console.print(f"  [dim]{escape(question.why)}[/]")
        self._show_choices(question)
        while True:
            typed = self._line(question)
            # A dash takes back a guess that has something.
            given = NOTHING if typed == "-" else typed or question.default
            try:
                value = usable(question, given)
            except OnboardingError as error:
                console.print(f"  [yellow]{escape(str(error).partition('cannot be used: ')[2])}[/]")
                continue
            self.answers[question.key] = value
            write_answers(self.draft, self.answers)
            return Reply(value, is_given=bool(typed or question.default))

    def _show_choices(self, question: Question) -> None:
        if not question.choices:
            return
        shown = ", ".join(question.choices[:_SHOWN])
        more = len(question.choices) - _SHOWN
        console.print(f"  [dim]one of[/] {escape(shown)}{f' [dim]and {more} more[/]' if more > 0 else ''}")

    def _line(self, question: Question) -> str:
        # Once polars has run a query, its handler lets the reading of a line go on after Ctrl-C, until the next Enter.
        signal.siginterrupt(signal.SIGINT, True)
        default = f" [{question.default}]" if question.default else " (Enter to leave it open)"
        return str(typer.prompt(f"  {question.key}{default}", default=NOTHING, show_default=False)).strip()
