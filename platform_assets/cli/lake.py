"""`platform-assets lake`: whether the stored tables are what was written.

Belongs here: the commands and what they print. Does not belong here: reading tables (`pipelines/verify_lake.py`).
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from platform_assets.lake.verification import VerifiedTable

app = typer.Typer(no_args_is_help=True, help="Whether stored tables are what was written.")


@app.command()
def verify(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of every table and compare it with the digest of when it was written; the exit code is 1 when one is wrong."""

    with answering(as_json) as answer:
        wrong = verify_use_cases(use_case, answer)
    if wrong:
        raise typer.Exit(1)


@app.command()
def accept(
    table: Annotated[str, typer.Argument(help="`use_case/layer/table`.")],
    why: Annotated[str, typer.Option(help="Why it is right as it is, for whoever looks later.")],
    who: Annotated[str, typer.Option(help="Who decides; default: the user.")] = "",
) -> None:
    """Take a table as it is for right: a copy that was put back on purpose, or one that was removed to be made again."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.verify_lake import accept_table

    with fail_readably():
        name, _, path = table.partition("/")
        [declared] = declared_use_cases(name)
        catalog = Installation.from_environment().catalog(declared.use_case)
        now = accept_table(catalog, path, who or getpass.getuser(), why)
        state = "gone, and may be made again" if now is None else f"right at version {now.version}"
        console.print(f"{table} is taken as {state}. Materialize what it lacks.")


def _figures(found: VerifiedTable) -> dict[str, int | None]:
    return {"version": found.version, "files": found.files, "bytes": found.bytes_read}


def verify_use_cases(name: str | None, answer: CommandAnswer) -> int:
    """Print a line for each table; how many are wrong."""
    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.verify_lake import verify_lake

    installation, wrong = Installation.from_environment(), 0
    for declared in declared_use_cases(name):
        for path, found in verify_lake(installation.catalog(declared.use_case)):
            answer.add(
                "tables", {"table": path, "as_written": found.wrong is None, "wrong": found.wrong, **_figures(found)}
            )
            if found.wrong is None:
                old = f", {found.without_digest:,} of them older than digests" if found.without_digest else ""
                size = f"{found.bytes_read / 1e6:,.1f} MB"
                console.print(f"{path}: version {found.version}, {found.files:,} files, {size}{old}: as written")
                continue
            wrong += 1
            console.print(f"[bold red]{path}[/]: {found.wrong}", soft_wrap=True)
    if wrong:
        console.print(
            f"[bold red]{wrong} tables are not what was written.[/] Put their folders back from a copy; where one is as it should be, "
            "`platform-assets lake accept USE_CASE/LAYER/TABLE --why ...` says so, and what it lacks is materialized again."
        )
    return wrong
