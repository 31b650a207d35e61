"""What is wrong with a text that is no YAML: line, the field it stands near, and what to do.

Belongs here: the words for what a parser says. Does not belong here: reading YAML (`yaml_text.py`), or what values mean.

A parser notices a mistake where it cannot go on. An open quote or bracket begins earlier: that line is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

_KEY = re.compile(r"^(?P<indent>[ \t]*(?:- +)?)(?P<key>[A-Za-z_][\w.-]*)\s*:(?:\s|$)")
_OPENED = ("flow sequence", "flow mapping", "quoted scalar", "flow node")


@dataclass(frozen=True)
class YamlMistake:
    """Why a text is no YAML.

    Attributes:
        line: counted from 1; None where it is not known.
        field: the path that the line stands in, by its indentation; empty where there is none.
        words: what is wrong and what to do.
    """

    line: int | None
    field: str
    words: str


def mistake_in_words(error: yaml.YAMLError, text: str) -> YamlMistake:
    """What the parser of PyYAML says, in one sentence with its place."""
    mark = getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    problem, context = str(getattr(error, "problem", "") or error), str(getattr(error, "context", "") or "")
    lines = text.splitlines()
    if any(kind in context for kind in _OPENED) and opened is not None:
        sign = "quote" if "scalar" in context else "bracket"
        reason = f"the {sign} that opens here is not closed, a comma is missing, or a text with `: ` in it needs quotes"
        return _at(lines, int(opened.line) + 1, reason)
    line = int(mark.line) + 1 if mark is not None else None
    if line is None:
        return YamlMistake(None, "", problem)
    tabbed = next((n for n, content in enumerate(lines[:line], 1) if "\t" in _indentation(content)), None)
    if tabbed is not None or "'\\t'" in problem:
        return _at(
            lines, tabbed or line, "it is indented by a tab: YAML takes spaces alone, so replace each tab by two spaces"
        )
    if "mapping values are not allowed" in problem:
        return _at(
            lines,
            line,
            "a second `: ` in one line, or deeper than the line before: quote the text, or mend the indentation",
        )
    if "could not find expected ':'" in problem:
        at = int(opened.line) + 1 if opened is not None else line
        return YamlMistake(
            at, _first_word(lines[at - 1]), "the line has no `: ` between name and value: write `name: value`"
        )
    if "expected <block end>" in problem:
        begun = (
            f", whose lines begin in column {opened.column + 1} of line {opened.line + 1}" if opened is not None else ""
        )
        reason = f"it is indented neither like its neighbours nor deeper{begun}: give it their indentation"
        return YamlMistake(line, _first_word(lines[line - 1]), reason)
    if "undefined alias" in problem:
        return _at(
            lines,
            line,
            f"{problem}: an alias `*name` needs an anchor `&name` above it, and a text that begins with * needs quotes",
        )
    if "cannot start any token" in problem:
        return _at(lines, line, f"{problem}: put the value in quotes")
    return _at(lines, line, "; ".join(filter(None, (context, problem))))


def _at(lines: list[str], line: int, words: str) -> YamlMistake:
    return YamlMistake(line, field_near(lines, line), words)


def _first_word(line: str) -> str:
    found = re.search(r"[A-Za-z_][\w-]*", line)
    return found[0] if found else ""


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def field_near(lines: list[str], line: int) -> str:
    """The dotted path of keys that a line stands in, by indentation alone; `attributes` is left out, as in all messages."""
    path: list[tuple[int, str]] = []
    for content in lines[:line]:
        found = _KEY.match(content)
        if found is None:
            continue
        indent = len(found["indent"].expandtabs(2))
        path = [(depth, key) for depth, key in path if depth < indent]
        path.append((indent, found["key"]))
    keys = [key for _, key in path]
    return ".".join(keys[1:] if keys[:1] == ["attributes"] else keys)
