"""Changes that somebody answers for: findings of the gates of a change that are let pass, each with who, why and until when.

Belongs here: `accepted_changes.yaml` at the root of a repository. Does not belong here: bypasses of a model's gates, which a declaration
has (`declaration/sections/gates.py`).

The file is one place for all of them, so that a repository can ask for the word of its owners (CODEOWNERS) before it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from platform_assets.declaration.base import Declaration
from platform_assets.declaration.yaml_text import line_of, load_yaml

FILE = "accepted_changes.yaml"


class AcceptedChange(Declaration):
    """One finding that is let pass."""

    change: str = Field(min_length=3, description="The finding, as `platform-assets change check` names it.")
    who: str = Field(min_length=3, description="Who decided it.")
    why: str = Field(min_length=10, description="Why it is right to let it pass.")
    until: date = Field(
        description="Last day on which it holds; the check is red after it, until the entry is taken out."
    )


@dataclass(frozen=True)
class Acceptances:
    """What the file holds.

    Attributes:
        entries: with the line of each.
        problems: line and sentence of each entry that cannot be used.
    """

    entries: Sequence[tuple[int, AcceptedChange]] = ()
    problems: Sequence[tuple[int, str]] = field(default=())

    def of(self, key: str, today: date) -> AcceptedChange | None:
        """The entry that lets a finding pass today."""
        return next((entry for _, entry in self.entries if entry.change == key and today <= entry.until), None)


def read_acceptances(root: Path) -> Acceptances:
    """The file at the root of a checkout; nothing where there is none."""
    path = root / FILE
    if not path.exists():
        return Acceptances()
    try:
        document, node = load_yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return Acceptances(problems=[(1, f"not readable as YAML: {error}")])
    if document is None:
        return Acceptances()
    if not isinstance(document, list):
        return Acceptances(problems=[(1, "expected a list of entries with change, who, why and until")])
    return _read(document, node)


def _read(document: list[Any], node: Any) -> Acceptances:
    entries, problems = [], []
    for place, item in enumerate(document):
        try:
            entries.append((line_of(node, (place,)), AcceptedChange.model_validate(item)))
        except ValidationError as error:
            problems += [
                (line_of(node, (place, *detail["loc"])), f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}")
                for detail in error.errors()
            ]
    return Acceptances(entries, problems)
