"""The commands of `platform-assets secrets`.

Belongs here: arguments and printing. Does not belong here: reading a source (`secret_sources/`), or searching files
(`pipelines/scan_secrets.py`).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_assets.secret_sources.kept import KeptSecrets

app = typer.Typer(
    no_args_is_help=True, help="Where credentials come from, who gets them, and whether one lies where it must not."
)

ChosenNames = Annotated[
    list[str] | None, typer.Option("--name", help="A secret to write; once for each. What services need when left out.")
]


@app.command()
def check() -> None:
    """Log in to the source of secrets and say which it holds, how long they hold, and which do not count because a variable is set."""
    from platform_assets.cli.console import console, fail_readably

    with fail_readably():
        kept = _source()
        bundle = kept.bundle(0.0)
        console.print(f"{kept.source.place}: version {bundle.version}")
        if bundle.valid_seconds is not None:
            console.print(f"They hold for another {bundle.valid_seconds:.0f} s and are read again before.")
        from platform_assets.settings import Settings, is_set

        for name in sorted(bundle.values):
            beside = "  [yellow]does not count: the environment variable is set[/]" if is_set(name) else ""
            console.print(f"  {name}{beside}")
        if not bundle.values:
            console.print("  It adds nothing to the environment.")
        Settings.from_environment()
        console.print("All settings can be read with them.")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)
def run(context: typer.Context) -> None:
    """Run a command with the secrets as environment variables: for programs that know no source, such as Dagster's own.

    What is written after `--` is run in place of this process. It keeps the values it was started with.
    """
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        if not context.args:
            raise ValueError("name a command: platform-assets secrets run -- dagster-daemon run")
        environment = _with_marks(_source().values())
        try:
            os.execvpe(context.args[0], context.args, environment)
        except OSError as error:
            raise ValueError(f"{context.args[0]} cannot be run: {error.strerror}") from error


@app.command()
def keep(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to; `services` of PLATFORM_ASSETS_SECRETS when left out.")
    ] = None,
    name: ChosenNames = None,
    once: Annotated[bool, typer.Option("--once", help="Write and end.")] = False,
) -> None:
    """Write secrets into a folder that only this user may read, and write them again when they change, until stopped."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.pipelines.keep_secrets import keep_secrets, place_of_services

    with fail_readably():
        kept, to = _source(), folder or place_of_services()
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        for written in keep_secrets(kept, to, tuple(name or ()), stopped, once=once):
            console.print(f"{to}: {', '.join(written) or 'nothing'} written, version {kept.bundle().version}")


@app.command()
def scan(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; PLATFORM_ASSETS_HOME when left out.")
    ] = None,
) -> None:
    """Search files for the secrets that this installation knows: as they are, in base64, in URLs and JSON, in archives and tables.

    Exits with 1 where one is found, or a file could not be read; no value is printed.
    """
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.cli.hidden_values import hidden_values
    from platform_assets.pipelines.scan_secrets import scan_files
    from platform_assets.settings import Settings, environment_variables, kept_secrets

    with fail_readably():
        kept = kept_secrets()
        secrets = hidden_values(environment_variables(), {} if kept is None else kept.values())
        if not secrets:
            raise ValueError("no secret is known here: set PLATFORM_ASSETS_SECRETS, or the variables that hold them")
        result = scan_files(paths or [Settings.from_environment().home], secrets)
        for found in result.found:
            console.print(f"[red]{found.path}[/]: {found.form} of a secret at byte {found.position}")
        for path, reason in result.unread:
            console.print(f"[red]{path}[/] could not be read: {reason}")
        searched = f"{result.files} files, {result.bytes_read / 1e6:.1f} MB searched for {len(secrets)} secrets"
        console.print(f"{searched}: {len(result.found)} found")
        if result.found or result.unread:
            raise typer.Exit(1)


def _source() -> KeptSecrets:
    from platform_assets.settings import SECRETS_VARIABLE, kept_secrets

    kept = kept_secrets()
    if kept is None:
        raise ValueError(
            f"{SECRETS_VARIABLE} is not set: credentials come from the environment alone (docs/operations/secrets.md)"
        )
    return kept


def _with_marks(values: Mapping[str, str]) -> dict[str, str]:
    """The environment with secrets, marked as such, so that a process which reads the source itself takes newer ones."""
    from platform_assets.settings import LENT_VARIABLE, environment_variables, is_set

    environment = dict(environment_variables())
    given = {name: text for name, text in values.items() if not is_set(name)}
    before = environment.get(LENT_VARIABLE, "").split(",")
    return {**environment, **given, LENT_VARIABLE: ",".join(sorted({*before, *given} - {""}))}
