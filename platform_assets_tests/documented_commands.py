"""Commands that the documents show, as somebody would type them.

Belongs here: finding them, and the words of each. Does not belong here: what must be true of them.
"""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer

from platform_assets.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:platform-assets|make|dg) [^`]+)`")
_COMMAND = re.compile(r"^(?: {4})?((?:platform-assets|make|dg) .*)$", re.MULTILINE)


@cache
def whole_command() -> Any:
    """`platform-assets` with all below it, made once: every documented command is looked up in it."""
    return typer.main.get_command(app)


def documented_commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with the name of its page, `list|compare` as two: lines of blocks, and inline code."""
    for page, line in dict.fromkeys(_lines()):
        for words in _spread(_as_typed(line)):
            yield page, words


def _lines() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = re.sub(r"\s*\\\n\s*", " ", page.read_text(encoding="utf-8"))
        blocks = [line for language, block in FENCE.findall(text) if not language for line in _COMMAND.findall(block)]
        outside = FENCE.sub("", text)
        for line in [*blocks, *_COMMAND.findall(outside), *_INLINE.findall(outside)]:
            yield page.name, line


def _as_typed(line: str) -> list[str]:
    """The words of a command without its comment, the description in a second column, or where its output goes; optional parts included."""
    command = re.split(r"\s+[#>]\s|\s{3,}", line)[0]
    return shlex.split(re.sub(r"[\[\]]", "", command))


def _spread(words: list[str]) -> list[list[str]]:
    for index, word in enumerate(words):
        if "|" in word:
            return [[*words[:index], one, *words[index + 1 :]] for one in word.split("|")]
    return [words]
