"""What is wrong with a declaration: file, line, field, and what to do, one line for each mistake.

Belongs here: one problem, the error that holds them, and pydantic's findings put together: a mistake once, and not what follows from it.
Does not belong here: the words for a single finding (`finding_words.py`), or reading YAML (`yaml_text.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from platform_assets.declaration.finding_words import FieldFinding, words_of
from platform_assets.declaration.model_fields import field_names
from platform_assets.declaration.unknown_names import AboutNames
from platform_assets.declaration.yaml_text import line_of, written_path
from platform_assets.members import nearest

MOST_LINES = 5
_MORE_PLACES = 3


@dataclass(frozen=True)
class DeclarationProblem:
    """One mistake.

    Attributes:
        file: the declaration.
        line: counted from 1; None where the file as a whole is meant.
        field: its path in the declaration, dotted; empty for the file as a whole.
        message: what is wrong and what to do, in one line.
        cause: the error of a rule, such as `OptionRefused`; None where its words say all.
    """

    file: Path
    line: int | None
    field: str
    message: str
    cause: ValueError | None = dataclass_field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """The line that people read."""
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(filter(None, (place, self.field, self.message)))


class DeclarationError(ValueError):
    """The YAML file does not hold a valid use case; the message names file, line and field of each problem, in five lines at most.

    Attributes:
        problems: all of them.
    """

    def __init__(self, problems: Sequence[DeclarationProblem]) -> None:
        """Take the problems."""
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        if len(lines) > MOST_LINES:
            left = len(lines) - MOST_LINES + 1
            last = f"and {left} more: `platform-assets check {self.problems[0].file} --all` lists them"
            lines = [*lines[: MOST_LINES - 1], last]
        super().__init__("\n".join(lines))


def problems_of(
    error: ValidationError, model: type[BaseModel], path: Path, node: yaml.Node | None
) -> list[DeclarationProblem]:
    """pydantic's findings as problems of a file.

    Args:
        error: of the document below `attributes`.
        model: that it was to fit.
        path: of the file.
        node: of the whole document.
    """
    findings = [FieldFinding.of(detail, model) for detail in error.errors(include_url=False)]
    findings.sort(key=lambda finding: finding.error_type != "extra_forbidden")  # what is missing may follow from it
    findings = list(_once(_of_one_value(_misspelt(_causes(findings), model))))
    problems = []
    for finding in findings:
        where = ("attributes", *finding.where)
        shown = written_path(node, where)[1:]
        message = words_of(finding, model)
        others = _other_lines(node, line_of(node, where), finding.also)
        if others:
            message = f"{message}; the same in {others}"
        place = path, line_of(node, where), ".".join(map(str, shown))
        problems.append(DeclarationProblem(*place, _one_line(message), finding.cause))
    return problems


def _other_lines(node: yaml.Node | None, first: int, also: Sequence[tuple[int | str, ...]]) -> str:
    """Further places of a mistake."""
    lines = [line for line in dict.fromkeys(line_of(node, ("attributes", *where)) for where in also) if line != first]
    if not lines:
        return ""
    rest = f" and {len(lines) - _MORE_PLACES} more" if len(lines) > _MORE_PLACES else ""
    return f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:_MORE_PLACES]))}{rest}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _causes(findings: Sequence[FieldFinding]) -> list[FieldFinding]:
    """Without lists that are too short because what stands in them is wrong."""
    places = [finding.where for finding in findings]
    return [
        finding
        for finding in findings
        if finding.error_type != "too_short"
        or not any(place[: len(finding.where)] == finding.where and place != finding.where for place in places)
    ]


def _misspelt(findings: Sequence[FieldFinding], model: type[BaseModel]) -> Iterator[FieldFinding]:
    """A field that is missing, and one nobody knows that is called much the same, are one mistake."""
    missing = {finding.where: finding for finding in findings if finding.error_type == "missing"}
    taken = set()
    for finding in findings:
        if finding.error_type != "extra_forbidden":
            continue
        beside = [str(where[-1]) for where in missing if where[:-1] == finding.where[:-1]]
        meant = nearest(str(finding.where[-1]), [*beside, *field_names(model, finding.where[:-1])])
        if meant in beside:
            taken.add((*finding.where[:-1], meant))
    for finding in findings:
        if finding.where not in taken:
            yield finding


def _of_one_value(findings: Iterator[FieldFinding]) -> Iterator[FieldFinding]:
    """Of a value that may be one of several things, what the first would have needed: the others say the same in other words."""
    seen: set[tuple[int | str, ...]] = set()
    for finding in findings:
        if finding.is_of_union and finding.value_at in seen:
            continue
        seen.add(finding.value_at)
        yield finding


def _once(findings: Iterator[FieldFinding]) -> Iterator[FieldFinding]:
    """A name that nothing has, with all places that name it."""
    found: dict[Any, FieldFinding] = {}
    for finding in findings:
        key: Any = finding.where, finding.message
        if isinstance(finding.message, AboutNames):
            key = finding.message.mistake
        elif finding.error_type == "union_tag_invalid":  # an anchor may stand in several places
            key = finding.error_type, finding.message
        if key in found:
            found[key] = replace(found[key], also=(*found[key].also, finding.where))
        else:
            found[key] = finding
    yield from found.values()
