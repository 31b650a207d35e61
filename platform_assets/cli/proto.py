"""`platform-assets proto`: the typed gRPC service of a use case, and whether it still fits its callers.

Belongs here: printing and the exit code. Does not belong here: the text (`serving/doors/proto.py`), comparing
(`deployment/proto_changes.py`).
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from platform_assets.cli.completion import use_case_names
from platform_assets.cli.console import console, fail_readably


def proto(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; needed where several are declared."),
    ] = None,
    check_against: Annotated[
        Path | None,
        typer.Option(help="A .proto that callers have: exit code 1 when the declaration would break them."),
    ] = None,
) -> None:
    """Print a use case's typed gRPC service, or check that its callers' proto still fits."""
    with fail_readably():
        good = show(use_case, check_against)
    if not good:
        raise typer.Exit(1)


def show(name: str | None, check_against: Path | None) -> bool:
    """Print the proto, or what the declaration would break.

    Returns:
        False when it would break callers.

    Raises:
        ValueError: several use cases are declared and none is named, or the file to check against is no proto.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from serving.doors.proto import render_proto

    declared = [one.use_case for one in declared_use_cases(name)]
    if len(declared) != 1:
        names = ", ".join(use_case.name for use_case in declared)
        raise ValueError(f"name one use case: {names or 'none is declared'}")
    text = render_proto(declared[0])
    if check_against is None:
        typer.echo(text, nl=False)
        return True
    return _check(declared[0].name, text, check_against)


def _check(use_case: str, text: str, path: Path) -> bool:
    from platform_assets.deployment.proto_changes import breaking_changes
    from serving.doors.grpc.protocol import ProtoError

    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}; give the .proto that callers have") from error
    try:
        changes = breaking_changes(before, text)
    except ProtoError as error:
        raise ValueError(f"{path} is no valid proto: {error}") from error
    for change in changes:
        console.print(f"[red]{use_case}[/]: {escape(change)}")
    file = escape(str(path))
    if changes:
        console.print(
            f"{len(changes)} change(s) would break callers that have {file}: take them back, or agree with the callers."
        )
    else:
        console.print(f"{use_case}: callers that have {file} are served as before.")
    return not changes
