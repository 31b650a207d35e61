"""Answers to the questions of `init`, in a file that makes them repeatable.

Belongs here: reading and writing that file, and answering from it. Does not belong here: the questions (`interview.py`), and asking a
person (`cli/ask.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platform_assets.members import meant_and_known
from platform_assets.onboarding.facts import OnboardingError
from platform_assets.onboarding.interview import Ask, Question, Reply, usable

KEYS = (
    "events",
    "event_time",
    "row",
    "label",
    "known_after_days",
    "not_known_then",
    "missed",
    "false_alarm",
    "purpose",
    "owner",
)
"""Every question that there may be."""


def read_answers(path: Path) -> dict[str, str]:
    """The answers of a file, by question.

    Raises:
        OnboardingError: it is not there, is no YAML of names and values, or answers a question that nobody asks.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OnboardingError(f"{path} cannot be read as YAML of answers: {error}") from error
    if not isinstance(found, dict):
        raise OnboardingError(
            f"{path} holds no answers: write `question: answer`, with the questions {', '.join(KEYS)}"
        )
    for name in found:
        if name not in KEYS:
            raise OnboardingError(f"{path}: there is no question {name!r}: {meant_and_known(str(name), KEYS)}")
    return {name: _text(value) for name, value in found.items()}


def write_answers(path: Path, answers: Mapping[str, str]) -> None:
    """Keep answers, so that a conversation can go on or be repeated."""
    import yaml

    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(answers), sort_keys=False, allow_unicode=True)
    path.write_text(f"# Answers to `platform-assets init`; pass them with --answers.\n{text}")


def answering_from(answers: Mapping[str, str], otherwise: Ask) -> Ask:
    """Answers from a file where it has one, else asks.

    Args:
        answers: by question.
        otherwise: asks what the file does not answer.
    """

    def ask(question: Question) -> Reply:
        if question.key in answers:
            return Reply(usable(question, answers[question.key]), is_given=True)
        return otherwise(question)

    return ask


def by_default(question: Question) -> Reply:
    """What holds when nobody is asked."""
    return Reply(question.default, is_given=False)


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
