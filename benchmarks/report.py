"""The report that `make bench` writes.

Belongs here: tables and bars. Does not belong here: measuring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """Something that was promised, and what was measured."""

    what: str
    measured: str
    kept: bool


@dataclass(frozen=True)
class Topic:
    """One section of the report."""

    title: str
    how: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bar] = field(default_factory=tuple)

    def markdown(self) -> str:
        """The section as Markdown."""
        lines = [f"## {self.title}", "", self.how, ""]
        lines += ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        if self.bars:
            lines += ["", "| bar | measured | kept |", "|---|---|---|"]
            lines += [f"| {bar.what} | {bar.measured} | {'yes' if bar.kept else '**no**'} |" for bar in self.bars]
        return "\n".join([*lines, ""])


def render(topics: Sequence[Topic], machine: dict[str, str], commit: str, day: str) -> str:
    """The whole report."""
    head = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {day}, commit {commit}: {', '.join(f'{name} {value}' for name, value in machine.items())}.",
        "Ratios are between alternatives of the same run; seconds depend on the machine.",
        "",
    ]
    return "\n".join([*head, *(topic.markdown() for topic in topics)]).rstrip() + "\n"
