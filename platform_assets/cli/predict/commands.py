"""`platform-assets predict`: predictions without a caller who waits: of a table, of a topic.

Belongs here: the commands with their help. Does not belong here: what they do (`batch.py`, `stream.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from platform_assets.cli.completion import use_case_names

app = typer.Typer(no_args_is_help=True, help="Predictions without a caller who waits.")


@app.command()
def batch(
    table: Annotated[
        str,
        typer.Argument(
            help="Delta table, Parquet file, folder or glob, with the model's features or with the columns of a request; or "
            "`use_case/layer/table` of the lake."
        ),
    ],
    to: Annotated[str, typer.Option(help="Delta table for the predictions; made when missing.")],
    use_case: Annotated[
        str | None, typer.Option(help="Whose model; needed where several use cases are declared.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Number or alias of the model; default: the champion.")] = None,
    source_version: Annotated[
        int | None,
        typer.Option(min=0, help="Delta version of the table; default: the newest, or that of the run before."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to keep beside the predictions; may be given several times. Default: all that are no features."
        ),
    ] = None,
) -> None:
    """Score every row of a table, each once; after a kill the same command goes on where it stopped."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.predict.batch import predict
    from platform_assets.pipelines.predict_table import TableToPredict

    with fail_readably():
        predict(TableToPredict(table, to, version, source_version, tuple(keep) if keep else None), use_case)


@app.command()
def stream(
    use_case: Annotated[
        str,
        typer.Argument(
            autocompletion=use_case_names, help="Name of the use case; its `serving.stream` names the topics."
        ),
    ],
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
