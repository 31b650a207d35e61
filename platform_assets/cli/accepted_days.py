"""Accepting a day that rules refuse, and taking that back, at the command line.

Belongs here: what is asked of the installation, and what is printed. Does not belong here: the decision itself
(`pipelines/acceptances.py`), and the commands' options (`quarantine.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platform_assets.cli.quarantine import ChosenSource
    from platform_assets.declaration import Source, UseCase
    from platform_assets.declaration.loader import DeclaredUseCase
    from platform_assets.installation import Installation
    from platform_assets.pipelines.withdraw_derived import DerivedFromDay


def accept_day(
    use_case: str,
    table: str,
    day: date,
    *,
    who: str | None,
    why: str,
    rules: Sequence[str] = (),
    until: date | None = None,
) -> None:
    """Record that a day may be published although rules refuse it, and publish it.

    Raises:
        ValueError: the day cannot be accepted as it stands.
        RuntimeError: the day could not be loaded or published.
    """
    from platform_assets.cli.console import console
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.orchestration.by_hand import load_again, publish_again
    from platform_assets.pipelines.acceptances import accept
    from platform_assets.pipelines.publish import judged_day

    declared, installation, source = _chosen(use_case, table, day)
    catalog = installation.catalog(declared.use_case)
    _refuse_what_is_not_loaded(declared, installation, source, day)
    result, delivered = judged_day(catalog, source, day)
    decided = accept(
        catalog,
        source,
        day,
        result.failed_rules,
        delivered,
        who=who or system_user(),
        why=why,
        rules=rules,
        until=until,
    )
    console.print(f"accepted {source.name} of {day}, {decided.rows:,} rows delivered, although:")
    for rule in result.failed_rules:
        console.print(f"  {rule.explanation}", markup=False)
    if not delivered.height and not source.is_incremental:
        load_again(declared, installation, source.name, day)
    publish_again(catalog, source.name, day)
    console.print(
        f"  published {source.name} of {day}. Another delivery of the day is judged again; take the decision back with "
        f"`platform-assets quarantine undo {use_case} {table} --day {day} --why TEXT`."
    )


def undo_day(use_case: str, table: str, day: date, *, who: str | None, why: str) -> None:
    """Take the acceptance of a day back, and judge the day again.

    Raises:
        ValueError: no acceptance of the day holds.
    """
    from platform_assets.cli.console import console
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.orchestration.by_hand import publish_again
    from platform_assets.pipelines.acceptances import undo
    from platform_assets.pipelines.withdraw_derived import withdraw_derived

    declared, installation, source = _chosen(use_case, table, day)
    catalog = installation.catalog(declared.use_case)
    held = undo(catalog, source, day, who=who or system_user(), why=why)
    console.print(f"taken back: {source.name} of {day}, accepted by {held.reason}", markup=False)
    made = withdraw_derived(catalog, source, day, f"made from {source.name} of {day}, whose acceptance was taken back")
    try:
        publish_again(catalog, source.name, day)
    except RuntimeError as error:
        console.print(f"  {error}", markup=False)
        console.print(f"  What was published of {day} is withdrawn.")
    _show_made_from(declared.use_case, day, made)


def _show_made_from(use_case: UseCase, day: date, made: DerivedFromDay) -> None:
    """Print what was made from the day, and what is due."""
    from platform_assets.cli.console import console
    from platform_assets.pipelines.required_days import listed_days

    for one in made.features:
        console.print(f"  withdrawn: features/{one.table} of {listed_days(one.days)}", markup=False)
    if made.features:
        console.print(
            f"  Training and predictions that need these days are refused until they are computed again, which `platform-assets run "
            f"{use_case.name}` does once {day} is published.",
            markup=False,
        )
    if made.predictions:
        made_here = use_case.is_trained_here
        what = "made from it, as they were given" if made_here else "withdrawn"
        again = (
            ""
            if made_here
            else f"; `platform-assets run {use_case.name}` takes the scores in again once {day} is published"
        )
        console.print(f"  {what}: predictions of {listed_days(made.predictions)}{again}", markup=False)
    if made.training_sets:
        console.print(
            f"  made from it, and not made again: training sets as of {listed_days(made.training_sets)}, with the models trained on them. "
            f"Look at the champion with `platform-assets models list {use_case.name}`: train again, or roll back.",
            markup=False,
        )


def show_accepted(sources: Sequence[ChosenSource], day: date | None) -> None:
    """Print every decision about days, those that were taken back or are over included."""
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.declaration import EVENT_DAY
    from platform_assets.declaration.days import DayRange
    from platform_assets.pipelines.acceptances import decisions

    for chosen in sources:
        if not chosen.source.is_daily:
            continue
        for line in decisions(chosen.catalog, chosen.source.name, DayRange(day, day) if day else None):
            end = f", until {line['until']}" if line["until"] else ""
            what = f"{line['action']} {chosen.source.name} of {line[EVENT_DAY]}"
            text = f"{line['at']:%Y-%m-%d %H:%M}: {what} by {line['who']}{end}: {line['why']}"
            console.print(f"{escape(text)} [dim]{escape(line['rules'])}[/]")


def _chosen(use_case: str, table: str, day: date) -> tuple[DeclaredUseCase, Installation, Source]:
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.acceptances import DayAcceptanceError

    [declared] = declared_use_cases(use_case)
    names = [source.name for source in declared.use_case.sources]
    if table not in names:
        raise DayAcceptanceError(f"there is no table {table!r}; there are {', '.join(names)}")
    source, history = declared.use_case.source(table), declared.use_case.history
    if not source.is_daily:
        raise DayAcceptanceError(f"{table} is a reference table, loaded whole: it has no days to accept.")
    if day < history.first_day or (history.last_day is not None and day > history.last_day):
        raise DayAcceptanceError(
            f"{day} lies outside of the history of {use_case}, {history.first_day} .. {history.last_day or 'now'}."
        )
    return declared, Installation.from_environment(), source


def _refuse_what_is_not_loaded(
    declared: DeclaredUseCase, installation: Installation, source: Source, day: date
) -> None:
    """A day without rows here must be one without rows at the source, and over."""
    from datetime import UTC, datetime

    from platform_assets.connectors.errors import NothingDelivered
    from platform_assets.declaration.time_zones import day_of
    from platform_assets.pipelines.acceptances import DayAcceptanceError

    if day >= day_of(datetime.now(UTC), source.time_zone):
        raise DayAcceptanceError(f"{day} is not over: what it lacks may still arrive.")
    raw = installation.catalog(declared.use_case).raw(source.name).stored
    if not raw.exists():
        raise DayAcceptanceError(
            f"nothing of {source.name} was loaded yet: load it first, then accept what is refused."
        )
    if source.is_incremental or day in raw.count_by_partition():
        return
    try:
        rows = installation.sources.read(source, declared.folder, day, day, []).height
    except NothingDelivered:
        return
    if rows:
        raise DayAcceptanceError(
            f"the source has {rows:,} rows of {day} that were never loaded: load the day before it is accepted."
        )
