"""Commands that the README shows and that change nothing, run as they stand there in a home that was lived in."""

import re
import shlex
from pathlib import Path

import pytest

from .conftest import LivedIn

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
READ_ONLY = ("sources check", "quarantine list", "versions", "lineage", "models list", "models ledger")
ASKED = {"USE_CASE": "card_fraud", "COLUMN": "amount"}
"""What a reader puts in place of the words in capitals."""


def shown() -> list[list[str]]:
    lines = re.findall(r"^platform-assets (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
    commands = [
        f"{before}{verb}" if verb else before
        for line in lines
        for before, verbs in [re.match(r"(.*?)((?:\w+\|)+\w+)?$", line).groups()]  # type: ignore[union-attr]
        for verb in (verbs or "").split("|")
    ]
    return [
        [ASKED.get(word, word) for word in shlex.split(command)]
        for command in commands
        if command.startswith(READ_ONLY)
    ]


def test_the_readme_shows_each_of_them() -> None:
    assert len(shown()) == len(READ_ONLY)


@pytest.mark.parametrize("words", shown(), ids=" ".join)
def test_a_command_of_the_readme_answers(lived_in: LivedIn, words: list[str]) -> None:
    code, printed = lived_in.run(*words)
    assert code == 0, printed
    assert printed.strip()
