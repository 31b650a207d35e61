"""`platform-assets audit`: whether the log, the lake's predictions and the ledger are what was written.

Belongs here: the commands and what they print. Does not belong here: following chains (`pipelines/audit.py`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.console import console, fail_readably

if TYPE_CHECKING:
    from platform_assets.pipelines.audit import AuditedLog

app = typer.Typer(no_args_is_help=True, help="Whether log and ledger are what was written.")
MOST_FAULTS = 20


@app.command()
def verify(
    use_case: Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An anchor that was kept elsewhere, as `audit anchor --output` wrote it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Follow every chain; the first bad row is named, and the exit code is 1 where there is one."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.audit import verify_audit

    found: dict[str, AuditedLog] = {}
    with fail_readably():
        installation = Installation.from_environment()
        kept = {} if against is None else json.loads(against.read_text(encoding="utf-8"))
        for case in (declared.use_case for declared in declared_use_cases(use_case or kept.get("use_case"))):
            folder = installation.serving.log_folder(case.name)
            found[case.name] = verify_audit(installation.catalog(case), folder, kept.get("head"))
    if as_json:
        typer.echo(json.dumps({name: _plain(one) for name, one in found.items()}, indent=1))
    else:
        for name, one in found.items():
            _show(name, one)
    if not all(one.passed for one in found.values()):
        raise typer.Exit(1)


@app.command()
def anchor(
    use_case: Annotated[str, typer.Argument(help="Name of the use case.")],
    output: Annotated[
        Path | None, typer.Option(help="Write the anchor to this file, to be kept where nobody here can change it.")
    ] = None,
) -> None:
    """Write down where log and ledger end; what is changed before that is found for ever, if the anchor is kept elsewhere."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.audit import write_anchor

    with fail_readably():
        installation = Installation.from_environment()
        [declared] = declared_use_cases(use_case)
        folder = installation.serving.log_folder(declared.use_case.name)
        written = write_anchor(installation.catalog(declared.use_case), folder)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        console.print(f"{use_case}: anchor {written['anchor']}, head {written['head']}")
        console.print(
            f"kept at {output}"
            if output
            else "Keep it elsewhere too: --output FILE, then `audit verify --against FILE`"
        )


def _show(name: str, found: "AuditedLog") -> None:
    from rich.markup import escape

    log, ledger = found.log, found.ledger
    console.print(
        f"[bold]{name}[/]: [{'green' if found.passed else 'red'}]{'as written' if found.passed else f'{len(found.faults)} faults'}[/]"
    )
    console.print(
        f"  log: {log.lines:,} lines in {len(log.segments)} segments follow each other; {len(log.before)} segments are from before"
    )
    console.print(
        f"  lake: {found.stored:,} stored predictions are the log's lines; {found.unchained:,} are from before"
    )
    if ledger is not None:
        console.print(f"  ledger: {ledger.chained} entries follow each other; {ledger.before} are from before")
    newest = "" if found.anchored_at is None else f", the newest of {found.anchored_at:%Y-%m-%d %H:%M} UTC"
    console.print(
        f"  anchors: {found.anchors}{newest}; {found.lines_since:,} lines of the log are in none yet. One is made on each day "
        f"that predictions are stored; platform-assets audit anchor {name} makes one now"
    )
    for row in found.erasures.sort("at").to_dicts():
        console.print(
            f"  erased {row['at']:%Y-%m-%d %H:%M} UTC by {escape(row['who'])}: {row['entity']}, {escape(row['why'])} ({row['erasure']})"
        )
    for fault in found.faults[:MOST_FAULTS]:
        console.print(f"  [red]{escape(str(fault))}[/]")
    if len(found.faults) > MOST_FAULTS:
        console.print(f"  and {len(found.faults) - MOST_FAULTS} more")


def _plain(found: "AuditedLog") -> dict[str, object]:
    return {
        "passed": found.passed,
        "faults": [{"place": fault.place, "reason": fault.reason} for fault in found.faults],
        "lines": found.log.lines,
        "segments_from_before": list(found.log.before),
        "stored": found.stored,
        "ledger_entries": 0 if found.ledger is None else found.ledger.entries,
        "anchors": found.anchors,
        "anchored_at": None if found.anchored_at is None else found.anchored_at.isoformat(),
        "lines_since_the_newest_anchor": found.lines_since,
        "erasures": found.erasures["erasure"].to_list(),
    }
