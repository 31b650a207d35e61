"""`platform-assets predict`: predictions without a caller who waits: of a topic.

Belongs here: the commands with their help. Does not belong here: what they do (`stream.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Predictions without a caller who waits.")


@app.callback()
def _predict() -> None:
    """Predictions without a caller who waits."""


@app.command()
def stream(
    use_case: Annotated[str, typer.Argument(help="Name of the use case; its `serving.stream` names the topics.")],
    instance: Annotated[
        int, typer.Option(min=0, help="Number of this process, where several share the topic; one process for each.")
    ] = 0,
    metrics_port: Annotated[int | None, typer.Option(help="Port of 127.0.0.1 that Prometheus may read.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background, kept alive by the process manager of `make run`.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="Stop the one in the background.")] = False,
) -> None:
    """Score the events of a topic into another one with the release that serves, until interrupted; each once."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.predict.stream import detach_scoring, end_scoring, score

    with fail_readably():
        if end:
            end_scoring(use_case, instance)
        elif detach:
            detach_scoring(use_case, instance, metrics_port)
        else:
            score(use_case, instance, metrics_port)
