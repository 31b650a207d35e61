"""The report that `make bench` writes.

Belongs here: tables, bars, and how they look. Does not belong here: measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """Something that was promised, and what was measured."""

    what: str
    measured: str
    kept: bool


@dataclass(frozen=True)
class Topic:
    """One section of the report.

    Attributes:
        title: its heading.
        how: how each number was made.
        columns: heads of the table; empty when there is no table.
        rows: cells of the table.
        bars: what was promised about it.
    """

    title: str
    how: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    bars: Sequence[Bar] = field(default_factory=tuple)

    def markdown(self) -> str:
        """The section as Markdown."""
        lines = [f"## {self.title}", "", self.how]
        if self.columns:
            lines += ["", *_table(self.columns, self.rows)]
        if self.bars:
            verdicts = [[bar.what, bar.measured, "yes" if bar.kept else "**no**"] for bar in self.bars]
            lines += ["", *_table(("bar", "measured", "kept"), verdicts)]
        return "\n".join([*lines, ""])


def not_measured(title: str, reason: str) -> Topic:
    """A section for a topic that could not be measured: that counts as a missed bar, because silence is failure."""
    return Topic(title, "This could not be measured.", bars=[Bar(f"{title} is measured", reason, kept=False)])


def missed_bars(topics: Sequence[Topic]) -> list[Bar]:
    """Bars that were not kept."""
    return [bar for topic in topics for bar in topic.bars if not bar.kept]


def render(
    topics: Sequence[Topic], machine: Mapping[str, str], code: str, day: str, busy_cores: float, command: str
) -> str:
    """The whole report.

    Args:
        topics: its sections.
        machine: what it was made on, by name.
        code: what was measured.
        day: when, in ISO format.
        busy_cores: cores that other work kept busy when it began.
        command: the command that made it.
    """
    missed, bars = missed_bars(topics), sum(len(topic.bars) for topic in topics)
    head = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {day}: {code}.",
        "",
        ", ".join(f"{name} {value}" for name, value in machine.items()) + ".",
        f"When it began, other work kept {busy_cores:.1f} cores busy.",
        "",
        f"**{bars - len(missed)} of {bars} bars kept.** A ratio compares alternatives of the same run and carries over to other machines; "
        "seconds do not. MB are 10^6 bytes of resident memory.",
        "",
    ]
    return "\n".join([*head, *(topic.markdown() for topic in topics)]).rstrip() + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_line(columns), "|---" + "|---:" * (len(columns) - 1) + "|", *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    """One line of a table; a bar or a line break inside a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
