"""`platform-assets parity`: whether a step finds the same in a process of this machine and in a pod.

Belongs here: what is asked, printed, and the exit code. Does not belong here: describing and comparing
(`pipelines/step_environment.py`), rendering a pod (`orchestration/rendered_step.py`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from platform_assets.cli.completion import use_case_names
from platform_assets.cli.console import console, fail_readably

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platform_assets.pipelines.step_environment import EnvironmentDifference

app = typer.Typer(no_args_is_help=True, help="Whether a step finds the same wherever it runs.")


@app.command()
def describe() -> None:
    """Print variables (of secrets the names) and versions of this process as JSON: run it in the platform's image."""
    from platform_assets.pipelines.step_environment import described

    typer.echo(json.dumps(described(), indent=2, sort_keys=True))


@app.command()
def environments(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    manifests: Annotated[
        Path, typer.Option(help="What `helm template` printed of the chart, with the cluster's values.")
    ],
    image: Annotated[Path, typer.Option(help="What `platform-assets parity describe` printed in the cluster's image.")],
    step: Annotated[str | None, typer.Option(help="`layer/table`; the model when left out.")] = None,
    secret: Annotated[
        list[str] | None, typer.Option(help="A variable of a Secret that is not among the manifests.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="A further difference that may be, `variable X=why`; patterns have *.")
    ] = None,
) -> None:
    """Compare what a step finds in this process, in a child of the multiprocess executor, and in a pod; exit code 1 where they differ."""
    with fail_readably():
        red = compare(use_case, manifests, image, step, secret or [], allow or [])
    if red:
        raise typer.Exit(1)


def compare(
    name: str, manifests: Path, image: Path, step: str | None, secrets: "Sequence[str]", allow: "Sequence[str]"
) -> bool:
    """Print every difference.

    Returns:
        Whether there is one that may not be.

    Raises:
        ValueError: a step or an allowed difference cannot be understood, or a file is none of those that are meant.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.orchestration.rendered_step import rendered_step
    from platform_assets.pipelines.step_environment import (
        ALLOWED,
        IN_PROCESS,
        MULTIPROCESS,
        described,
        described_by_child,
        environment_differences,
        step_environment,
    )

    [declared] = declared_use_cases(name)
    layer, _, table = (step or f"model/{declared.use_case.model_name}").partition("/")
    if not table:
        raise ValueError(f"step {step!r} is none: write layer/table, such as features/customer_activity")
    compute = declared.use_case.compute_of(layer, table)
    pod = rendered_step(manifests, compute, _description(image), secrets)
    own = step_environment(IN_PROCESS, described(pod.variables), compute)
    child = step_environment(MULTIPROCESS, described_by_child(pod.variables), compute)
    allowed = {**ALLOWED, **dict(_allowed(text) for text in allow)}
    red = False
    for other in (child, pod):
        found = environment_differences(own, other, allowed)
        count = sum(not difference.allowed for difference in found)
        red = red or count > 0
        console.print(f"[bold]{name}/{layer}/{table}[/]: {own.place} and {other.place}: {count} differing keys")
        _print(found)
    return red


def _print(found: "Sequence[EnvironmentDifference]") -> None:
    for difference in found:
        values = escape(f"{difference.first} | {difference.second}")
        key = f"[red]{escape(difference.key)}[/]" if not difference.allowed else escape(difference.key)
        why = f"  (allowed: {escape(difference.allowed)})" if difference.allowed else ""
        console.print(f"  {key}: {values}{why}")


def _allowed(text: str) -> tuple[str, str]:
    key, _, why = text.partition("=")
    if not key.startswith(("variable ", "secret ", "resource ", "version ")) or not why.strip():
        raise ValueError(f"--allow {text!r} is none: write `variable NAME=why`, and never leave out why")
    return key, why


def _description(path: Path) -> dict[str, dict[str, str]]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return {"variables": dict(read["variables"]), "versions": dict(read["versions"])}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not what `platform-assets parity describe` prints: run it in the platform's image"
        ) from error
