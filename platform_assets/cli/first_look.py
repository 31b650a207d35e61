"""What `init` says of data and of a first verdict.

Belongs here: tables and sentences on the screen. Does not belong here: looking (`onboarding/`), judging (`pipelines/first_verdict.py`), and
the page (`onboarding/data_page.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from platform_assets.cli.answer import CommandAnswer, ListedColumn, Listing
from platform_assets.cli.console import console
from platform_assets.onboarding.interview import Understanding
from platform_assets.onboarding.roles import FEATURE, LEAK, roles_of
from platform_assets.onboarding.tables import FoundTable

if TYPE_CHECKING:
    from platform_assets.pipelines.first_verdict import FirstVerdict, TakenSource

MOST_LINES = 40
"""Columns of a table that stand on the screen; the page has all."""
_SHOWN_DAYS = 3


def show_tables(tables: tuple[FoundTable, ...], answer: CommandAnswer) -> None:
    """What was found, before anything is asked."""
    columns = (
        ListedColumn("table", hidden=True),
        ListedColumn("column"),
        ListedColumn("type"),
        ListedColumn("missing", right=True, shown=lambda ratio: "" if ratio == 0 else f"{ratio:.1%}"),
        ListedColumn("different", right=True, shown=lambda number: f"{number:,}"),
        ListedColumn("examples"),
        ListedColumn("note"),
    )
    for table in tables:
        listing = Listing(
            f"{table.name}: {table.facts.rows or table.facts.frame.height:,} rows of {table.facts.origin}", columns
        )
        for facts in table.facts.columns[:MOST_LINES]:
            listing.add(
                table=table.name,
                column=facts.name,
                type=facts.type,
                missing=(facts.nulls + facts.misfits) / max(1, facts.rows),
                different=facts.distinct,
                examples=", ".join(example[:20] for example in facts.examples[:2]),
                note=facts.hint,
            )
        answer.show("columns", listing)
        if len(table.facts.columns) > MOST_LINES:
            console.print(f"[dim]and {len(table.facts.columns) - MOST_LINES} more columns[/]")


def put_understanding(understanding: Understanding, answer: CommandAnswer) -> None:
    """What data and answers mean, for a program."""
    for key, given in understanding.answers.items():
        answer.add("answers", {"question": key, "answer": given.value, "given": given.is_given})
    for role in roles_of(understanding):
        answer.add("roles", {"table": role.table, "column": role.facts.name, "role": role.role, "why": role.why})
    answer.put("label", understanding.label)
    answer.put("known_after_days", understanding.delay_days)
    answer.put("problems", list(understanding.guesses.problems))


def show_understanding(understanding: Understanding) -> None:
    """What will be learned from, and what will not."""
    roles = [role for role in roles_of(understanding) if role.table == understanding.events.name]
    features = [role.facts.name for role in roles if role.role == FEATURE]
    console.print()
    console.print(
        f"learns [bold]{escape(understanding.label or 'nothing yet')}[/] from {escape(', '.join(features) or 'nothing')}"
    )
    for role in roles:
        if role.role == LEAK:
            console.print(f"[yellow]left out[/] {role.facts.name}: {escape(role.why)}")


def show_first_verdict(found: FirstVerdict, answer: CommandAnswer) -> None:
    """What became of the data, and what the gates would have said."""
    answer.put("sample_of_every", found.every)
    answer.put("training_rows", found.training_rows)
    answer.put("learner", found.learner)
    answer.put("metrics", dict(found.metrics))
    answer.put("passed", None if found.verdict is None else found.verdict.passed)
    answer.put("problem", found.problem)
    for source in found.sources:
        _show_source(source, answer)
    if found.verdict is None:
        console.print(f"[yellow]no verdict yet:[/] {escape(found.problem)}")
        return
    sample = f", every {found.every}th row of the events" if found.every > 1 else ""
    means = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
    console.print(f"a first model ({found.learner}, {found.training_rows:,} rows{sample}): {means}")
    columns = (
        ListedColumn("gate"),
        ListedColumn("passed", "", shown=lambda passed: "[green]passes[/]" if passed else "[bold red]FAILS[/]"),
        ListedColumn("explanation"),
    )
    listing = Listing("what the gates would have said", columns)
    for gate in sorted(found.verdict.gates, key=lambda each: each.passed):
        listing.add(gate=gate.name, passed=gate.passed, explanation=gate.explanation)
    answer.show("gates", listing)
    failed = sum(not gate.passed for gate in found.verdict.gates)
    result = f"[bold red]{failed} would stop it[/]" if failed else "[green]it would be promoted[/]"
    console.print(f"{len(found.verdict.gates)} gates: {result}")


def _show_source(source: TakenSource, answer: CommandAnswer) -> None:
    answer.add(
        "sources",
        {
            "source": source.name,
            "rows": source.rows,
            "rows_refused": source.rows_refused,
            "by_rule": dict(source.by_rule),
            "refused_days": [str(day) for day in source.refused_days],
            "why": list(source.why),
        },
    )
    refused = ", ".join(f"{rows:,} by {rule}" for rule, rows in source.by_rule.items())
    text = f"{source.name}: {source.rows:,} rows" + (
        f", {source.rows_refused:,} in quarantine ({refused})" if source.rows_refused else ""
    )
    if not source.refused_days:
        console.print(f"[green]fits[/] {escape(text)}")
        return
    days = ", ".join(map(str, source.refused_days[:_SHOWN_DAYS]))
    console.print(f"[bold red]does not fit[/] {escape(text)}; {len(source.refused_days)} days are refused: {days} …")
    for why in source.why:
        console.print(f"  {escape(why)}")
    console.print(f"  Mend the files, or allow it in `quality` of the source {source.name}: docs/guide/quality.md")
