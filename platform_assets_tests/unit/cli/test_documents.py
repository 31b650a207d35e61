"""Commands and snippets in the documents: each command exists with its options, each snippet is what it says it is."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.cli.lineage import COLUMN, ColumnsUnlessNamed
from platform_assets_tests.documented_commands import FENCE, PAGES, ROOT, documented_commands, whole_command

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXECUTED = {"testing.md"}
"""Pages whose Python stands by itself."""
CASES = [pytest.param(words, id=f"{page}: {' '.join(words)}"[:110]) for page, words in documented_commands()]


def resolved(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the other words."""
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return (command.commands[COLUMN] if isinstance(command, ColumnsUnlessNamed) else command), words


def platform_assets_accepts(words: list[str]) -> None:
    command, arguments = resolved(whole_command(), words)
    assert not hasattr(command, "commands") or not arguments, f"no such command: {' '.join(words)}"
    bare = not arguments and (hasattr(command, "commands") or any(option.required for option in command.params))
    if not bare:  # a mention of a command by its name alone leaves its arguments out
        command.make_context("documented", list(arguments))


def make_accepts(words: list[str]) -> None:
    for word in words:
        name, is_variable, _ = word.partition("=")
        pattern = rf"\b{name}\b" if is_variable else rf"^{re.escape(name)}:"
        assert re.search(pattern, MAKEFILE, re.MULTILINE), f"the Makefile has no {name}"


def dg_accepts(words: list[str]) -> None:
    import click
    from dagster_dg_cli.cli import create_dg_cli

    command: Any = create_dg_cli()
    for word in words[:2]:  # what `dg scaffold defs` goes on with are this project's components
        command = command.get_command(click.Context(command), word) if hasattr(command, "get_command") else command
        assert command is not None, f"dg has no {' '.join(words)}"


def test_the_pages_hold_commands() -> None:
    programs = [case.values[0][0] for case in CASES]
    assert {program: programs.count(program) >= 5 for program in set(programs)} == {
        "platform-assets": True,
        "make": True,
        "dg": True,
    }


@pytest.mark.parametrize("words", CASES)
def test_a_command_that_a_page_shows_exists_with_its_options(words: list[str]) -> None:
    accepts = {"platform-assets": platform_assets_accepts, "make": make_accepts, "dg": dg_accepts}
    accepts[words[0]](words[1:])


def test_an_unknown_command_or_option_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no such command"):
        platform_assets_accepts(["modles", "list"])
    with pytest.raises(Exception, match="--nothing"):
        platform_assets_accepts(["models", "list", "--nothing"])
    with pytest.raises(AssertionError, match="has no deploy"):
        make_accepts(["deploy"])


SNIPPETS = [
    pytest.param(page, language, block, id=f"{page.name}-{index}")
    for page in PAGES
    for index, (language, block) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
    if language in ("yaml", "python", "json")
]


def imported(block: str) -> list[tuple[str, str]]:
    """What a snippet takes from this project's modules."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("platform_assets")
        for alias in node.names
    ]


@pytest.mark.parametrize(("page", "language", "block"), SNIPPETS)
def test_a_snippet_is_in_the_language_that_it_says(page: Path, language: str, block: str) -> None:
    if language == "python":
        code = compile(block, page.name, "exec")
        for module, name in imported(block):
            assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
        if page.name in EXECUTED:
            exec(code, {})
    else:
        assert yaml.safe_load(block.replace("...", "null").replace("…", "null")) is not None
