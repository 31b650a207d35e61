"""`platform-assets drift`: the report on a window again, and Evidently's own report beside it for who asks.

Belongs here: what the command prints. Does not belong here: comparing (`pipelines/watch.py`), the pages (`monitoring/drift_report/`,
`monitoring/evidently_report.py`).
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from platform_assets.cli.completion import use_case_names
from platform_assets.cli.console import console, fail_readably


def drift(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    day: Annotated[
        datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="Last day of the window; the newest judged without.")
    ] = None,
    evidently: Annotated[
        Path | None, typer.Option(help="A file for Evidently's own report of the window, some megabytes of HTML.")
    ] = None,
) -> None:
    """Compare a window with what its model knows once more, and print the columns, the worst first; no verdict is stored.

    Exit code 1 where it does not pass.
    """
    with fail_readably():
        passed = show_drift(use_case, day, evidently)
    if not passed:
        raise typer.Exit(1)


def show_drift(name: str, day: datetime | None, evidently: Path | None) -> bool:
    """Print a window's columns, and write Evidently's report where a file is named.

    Returns:
        Whether the window passed.

    Raises:
        ValueError: no window was judged yet.
        ExtraMissing: Evidently's report is asked for and Evidently is not installed.
        DaysMissing: days of the window were never stored.
        MonitoringError: the window has no predictions, and there is no champion.
        ReportError: Evidently can draw no column.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.extras import NeededExtra, require_extras
    from platform_assets.installation import Installation
    from platform_assets.monitoring.drift_report.history import worst_first
    from platform_assets.pipelines.watch import compare_window, newest_judged_day

    if evidently is not None:
        require_extras([NeededExtra("evidently", "--evidently")])
    [declared] = declared_use_cases(name)
    installation = Installation.from_environment()
    catalog = installation.catalog(declared.use_case)
    judged = newest_judged_day(catalog) if day is None else day.date()
    if judged is None:
        raise ValueError(f"no window of {name} was judged yet: materialize {name}/monitoring/drift, or name a day")
    registry = installation.models.registry() if declared.use_case.is_trained_here else None
    window, version = compare_window(catalog, registry, judged)
    result = window.result
    console.print(
        f"[bold]{name}[/], {window.first_day} .. {judged}, version {version.version}: {result.status}, "
        f"{len(result.failed_columns)} of {len(result.columns)} columns do not pass; {result.rows_current:,} rows "
        f"against {result.rows_reference:,}"
    )
    for one in worst_first(result.columns):
        style = "" if one.passed else "red"
        console.print(f"  {one.column}: {one.status}, {escape(one.explanation)}", style=style)
    report = installation.serving.report_folder(name) / f"drift-{judged}.html"
    if report.is_file():
        console.print(f"[dim]page: {report}[/]")
    if evidently is not None:
        from platform_assets.monitoring.evidently_report import evidently_report

        evidently_report(window.reference, window.current, result, evidently)
        console.print(f"[dim]Evidently's report: {evidently}, {evidently.stat().st_size / 1e6:.1f} MB[/]")
    return result.passed
