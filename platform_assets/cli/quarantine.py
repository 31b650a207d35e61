"""`platform-assets quarantine list|show|release|accept|undo`: refused rows and days, and letting some of them pass.

Belongs here: the commands and their tables. Does not belong here: accepting days (`accepted_days.py`), what is refused
(`validation/`), and what a release records (`pipelines/quarantine.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    import polars as pl

    from platform_assets.declaration import Source
    from platform_assets.lake.catalog import Catalog

app = typer.Typer(no_args_is_help=True, help="Refused rows and days: list them, look at them, let some pass.")

UseCaseName = Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")]
Table = Annotated[str, typer.Argument(help="Name of the source table.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day the rows were delivered for.")]
Rule = Annotated[str | None, typer.Option(help="A rule that the rows break, such as not_null.")]
Positions = Annotated[list[str] | None, typer.Option("--position", help="Source position of a row; may be repeated.")]


@dataclass(frozen=True)
class ChosenSource:
    """A source whose refused rows are looked at, and the tables of its use case."""

    catalog: Catalog
    source: Source


@app.command("list")
def list_(
    use_case: Annotated[
        str | None, typer.Argument(autocompletion=use_case_names, help="Name of the use case; all when left out.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Only this source table.")] = None,
    day: Day = None,
    rule: Rule = None,
    as_json: AsJson = False,
) -> None:
    """Count refused rows by use case, table, day, rule and column."""

    with answering(as_json) as answer:
        show_counts(chosen_sources(use_case, table), _date(day), rule, answer)


@app.command()
def show(
    use_case: UseCaseName,
    table: Table,
    day: Day = None,
    rule: Rule = None,
    position: Positions = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show refused rows: rule, column, value, and where each row came from."""

    with answering(as_json) as answer:
        [chosen] = chosen_sources(use_case, table)
        show_rows(chosen, _date(day), rule, position or [], limit, answer)


@app.command()
def release(
    use_case: UseCaseName,
    table: Table,
    why: Annotated[str, typer.Option(help="The reason, for whoever reads it later.")],
    who: Annotated[str, typer.Option(help="Who decides.")],
    day: Day = None,
    rule: Rule = None,
    position: Positions = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which a load lets the rows pass.")
    ] = None,
) -> None:
    """Let refused rows pass: record the decision, and publish their day again with them."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        [chosen] = chosen_sources(use_case, table)
        release_rows(chosen, _date(day), rule, position or [], who=who, why=why, until=_date(until))


@app.command()
def accept(
    use_case: UseCaseName,
    table: Table,
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The event day.")],
    why: Annotated[str, typer.Option(help="The reason, for whoever reads it later.")],
    who: Annotated[str | None, typer.Option(help="Who decides; by default the user of this system.")] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help="The rules that are accepted; all of them when left out.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which a load lets the day pass.")
    ] = None,
) -> None:
    """Accept a day that rules refuse, or that has no rows: record the decision for this delivery, and publish the day."""
    from platform_assets.cli.accepted_days import accept_day
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        accept_day(use_case, table, day.date(), who=who, why=why, rules=rule or [], until=_date(until))


@app.command()
def undo(
    use_case: UseCaseName,
    table: Table,
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The event day.")],
    why: Annotated[str, typer.Option(help="The reason, for whoever reads it later.")],
    who: Annotated[str | None, typer.Option(help="Who decides; by default the user of this system.")] = None,
) -> None:
    """Take the acceptance of a day back: the day is judged as if nobody had accepted it, and what was published of it is withdrawn."""
    from platform_assets.cli.accepted_days import undo_day
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        undo_day(use_case, table, day.date(), who=who, why=why)


def chosen_sources(use_case: str | None, table: str | None) -> list[ChosenSource]:
    """The sources that the command is about.

    Raises:
        ValueError: there is no such use case or table.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation

    installation = Installation.from_environment()
    sources = [
        ChosenSource(installation.catalog(declared.use_case), source)
        for declared in declared_use_cases(use_case)
        for source in declared.use_case.sources
    ]
    chosen = [one for one in sources if table is None or one.source.name == table]
    if not chosen:
        names = ", ".join(one.source.name for one in sources)
        raise ValueError(f"there is no table {table!r}; there are {names}")
    return chosen


def show_counts(sources: Sequence[ChosenSource], day: date | None, rule: str | None, answer: CommandAnswer) -> None:
    """Print one line for each use case, table, day, rule and column with refused rows."""
    import polars as pl

    from platform_assets.cli.accepted_days import show_accepted
    from platform_assets.cli.console import console
    from platform_assets.declaration import EVENT_DAY
    from platform_assets.pipelines.quarantine import refused_rows, released_rows

    columns = (
        *map(ListedColumn, ("use_case", "table", "day", "rule", "column")),
        ListedColumn("rows", right=True, shown="{:,}".format),
    )
    listing = Listing("rows in quarantine", columns)
    rows = decided = 0
    for chosen in sources:
        catalog, name = chosen.catalog, chosen.source.name
        refused = _with_day(refused_rows(catalog.quarantine(name), day, rule))
        counted = refused.group_by(EVENT_DAY, "rule", "column").len().sort(EVENT_DAY, "rule", "column")
        rows += refused.height
        released = _with_day(released_rows(catalog.releases(name), None))
        decided += released.filter(True if day is None else pl.col(EVENT_DAY) == day).height
        for of_day, of_rule, column, count in counted.iter_rows():
            use_case = catalog.use_case.name
            listing.add(use_case=use_case, table=name, day=of_day, rule=of_rule, column=column, rows=count)
    answer.show("refused", listing)
    answer.put("refused_rows", rows)
    answer.put("releases", decided)
    console.print(f"{rows:,} rows in quarantine; {decided:,} releases recorded.")
    show_accepted(sources, day)


def show_rows(
    chosen: ChosenSource,
    day: date | None,
    rule: str | None,
    positions: Sequence[str],
    limit: int,
    answer: CommandAnswer,
) -> None:
    """Print refused rows, each with what it breaks and its content."""
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.pipelines.quarantine import refused_rows

    refused = refused_rows(chosen.catalog.quarantine(chosen.source.name), day, rule, positions)
    answer.put("refused_rows", refused.height)
    for line in refused.head(limit).iter_rows(named=True):
        answer.add("rows", line)
        also = f", also {line['also']}" if line["also"] else ""
        broken = f"{line['rule']}({line['column']}) value {line['value']!r}{also}"
        console.print(f"[bold]{escape(line['source_position'] or 'unknown position')}[/]  {escape(broken)}")
        console.print(f"  [dim]{escape(line['row'])}[/]")
    console.print(f"{min(refused.height, limit):,} of {refused.height:,} rows shown.")


def release_rows(
    chosen: ChosenSource,
    day: date | None,
    rule: str | None,
    positions: Sequence[str],
    *,
    who: str,
    why: str,
    until: date | None = None,
) -> None:
    """Record the release, and materialize the clean table of the days concerned again.

    Raises:
        ValueError: rows cannot be released, or their choice is too wide.
        RuntimeError: the clean table could not be published.
    """
    from platform_assets.cli.console import console
    from platform_assets.orchestration.by_hand import publish_again
    from platform_assets.pipelines.quarantine import RowReleaseError, refused_rows
    from platform_assets.pipelines.quarantine import release as record

    source = chosen.source
    if not positions and (rule is None or (day is None and source.is_daily)):
        raise RowReleaseError("say which rows: --day and --rule, or --position for single ones.")
    rows = refused_rows(chosen.catalog.quarantine(source.name), day, rule, positions)
    recorded = record(chosen.catalog, source, rows, who=who, why=why, until=until)
    console.print(f"released {recorded.rows:,} rows of {source.name}")
    for text in recorded.refused:
        console.print(f"  [yellow]not released:[/] {text}")
    days = sorted(set(rows["event_day"].to_list())) if source.is_daily else [None]
    for one in days:
        publish_again(chosen.catalog, source.name, one)
        console.print(f"  published {source.name}{'' if one is None else f' of {one}'} again")


def _with_day(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    from platform_assets.declaration import EVENT_DAY

    return rows if EVENT_DAY in rows.columns else rows.with_columns(pl.lit(None, dtype=pl.Date).alias(EVENT_DAY))


def _date(day: datetime | None) -> date | None:
    return None if day is None else day.date()
