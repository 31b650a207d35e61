"""What is said where a command looks at a home in which nothing is.

Belongs here: which commands need a home that is there, and the sentence. Does not belong here: where a home lies
(`deployment/environments.py`), or making one (`settings.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from platform_assets.deployment.environments import HOMES, homes_of, project_folder
from platform_assets.settings import PREFIX, home_folder, keeps_all_in_home

READING = frozenset(
    {"degraded", "experiments", "models", "predict", "quarantine", "reproduce", "rollout", "status", "versions"}
)
"""Commands that have nothing to say of a home that is not there."""
GROUPS = frozenset({"experiments", "models", "predict", "quarantine", "rollout"})
"""Those of them that show their help where no further word is typed."""


MAKING = "rehearse"
"""The word that makes one of them fill a home."""


class HomeMissing(ValueError):
    """Nothing is in the home that a command looks at; the message says which, and what to do."""


def refuse_missing_home(command: str, words: Sequence[str]) -> None:
    """Stop before a command that reads looks into a folder where nothing is, and so does not make one there.

    Args:
        command: its first word.
        words: those after it.

    Raises:
        HomeMissing: the installation keeps all in its home, and the home is not there.
    """
    asks_for_help = "--help" in words or "-h" in words or (command in GROUPS and not words)
    home, reads = home_folder(), command in READING and words[:1] != [MAKING]
    if reads and not asks_for_help and keeps_all_in_home() and not home.exists():
        raise HomeMissing(nothing_there(home, Path.cwd()))


def nothing_there(home: Path, folder: Path) -> str:
    """The sentence for a home that is not there, typed in a folder."""
    project = project_folder(folder)
    others = [one for one in homes_of(project) if one != home] if project is not None else []
    if others:
        named = " or ".join(f"{PREFIX}HOME={HOMES}/{one.name}" for one in others)
        way = f"This project has other homes: export {named} in {project}"
    elif project is None:
        way = f"{folder} is in no project: go to the project's folder, or export {PREFIX}HOME"
    else:
        way = "`platform-assets run` fills it"
    return f"nothing is in the home {home}. {way}."
