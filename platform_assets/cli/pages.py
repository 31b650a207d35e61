"""`platform-assets status --html` and `--json`: the pages of use cases, and their states for machines.

Belongs here: reading them with what Dagster knows, and where they go. Does not belong here: what stands on them
(`monitoring/use_case_page/`).
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.markup import escape

from platform_assets.cli.console import console, without_secrets
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.monitoring.use_case_page.page import SIGNS, WORDS, use_case_page
from platform_assets.monitoring.use_case_page.state import UseCaseState
from platform_assets.orchestration.operations import Operations
from platform_assets.pipelines.use_case_state.read import Around, read_use_case_state, sources_of
from platform_assets.pipelines.use_case_state.write import INDEX, replace_file, write_use_case_page

FORMAT = 1
"""Of the printed JSON."""
COLOURS = {"red": "red", "yellow": "yellow", "ok": "green"}


def show_pages(installation: Installation, name: str | None, *, html: bool, output: str | None, as_json: bool) -> bool:
    """Write the pages, print the states, or both.

    Returns:
        Whether something is red.

    Raises:
        ValueError: there is no such use case, or a file is given for several.
    """
    states = list(read_states(installation, name))
    if output is not None and len(states) != 1:
        raise ValueError(f"--output is a file for one page and there are {len(states)}: name the use case")
    if html:
        for state in states:
            write_use_case_page(state, installation.serving)
        if output is not None:
            replace_file(Path(output), use_case_page(states[0]))
    if as_json:
        made_at = datetime.now(UTC).isoformat()
        use_cases = [state.model_dump(mode="json") | {"worst": state.worst} for state in states]
        settings = installation.settings
        where_it_is = {
            "home": str(settings.home),
            "environment": settings.environment,
            "automation": settings.automation,
        }
        print(json.dumps({"format": FORMAT, "made_at": made_at, **where_it_is, "use_cases": use_cases}, indent=1))
    else:
        for state in states:
            bad = sum(one.severity != "ok" for one in state.findings)
            colour, sign = COLOURS[state.worst], SIGNS[state.worst]
            shown = escape(output or where(state, installation))
            words = f"{WORDS[state.worst]}, {bad} findings"
            console.print(f"[{colour}]{sign}[/] [bold]{state.use_case}[/] {words}: {shown}")
        console.print(f"all use cases: {escape(str(installation.serving.page_folder() / INDEX))}")
    return any(state.worst == "red" for state in states)


def where(state: UseCaseState, installation: Installation) -> str:
    """Where a page is: at the address of a use case that is served, else its file."""
    if state.service is not None and state.service.version is not None:
        return f"{state.service.address}/page"
    return str(installation.serving.page_folder() / f"{state.use_case}.html")


def read_states(installation: Installation, name: str | None) -> Iterator[UseCaseState]:
    """The state of one use case, or of each that is declared."""
    declared = declared_use_cases(name)
    memory = Operations.by_hand(installation, lambda line: typer.echo(without_secrets(line), err=True))
    read_from = sources_of(installation)
    status = installation.serving.target().status()
    for use_case in (one.use_case for one in declared):
        operations = memory.of_use_case(use_case, installation.clock)
        yield read_use_case_state(use_case, read_from, Around(operations, status))
