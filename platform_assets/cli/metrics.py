"""`platform-assets metrics`: the platform's metrics for Prometheus, and to look at.

Belongs here: listening, signals, the process in the background. Does not belong here: what the metrics say (`monitoring/telemetry/`), or
where they are read from (`pipelines/platform_metrics.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.monitoring.telemetry.exporter import PlatformCollector

LOOPBACK = "127.0.0.1"
PATH = "/metrics"

app = typer.Typer(no_args_is_help=True, help="Metrics of data, models, rollouts and runs for Prometheus.")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines read.")] = LOOPBACK,
    port: Annotated[int | None, typer.Option(help="Port; PLATFORM_ASSETS_METRICS_PORT when left out.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Have the local target keep it running.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Stop the one in the background.")] = False,
) -> None:
    """Answer Prometheus on /metrics until interrupted."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        installation = Installation.from_environment()
        chosen = port or installation.settings.metrics_port
        if end:
            ended = installation.serving.target().end_beside(PROGRAM)
            console.print("the metrics have ended" if ended else "no metrics are served in the background")
        elif detach:
            log = keep_serving(installation, host, chosen)
            console.print(f"metrics on http://{host}:{chosen}{PATH}, log {log}")
        else:
            _serve(installation, host, chosen)


@app.command()
def show(
    match: Annotated[str | None, typer.Argument(help="Only metrics whose name contains this.")] = None,
) -> None:
    """Print the page that Prometheus would get, read now."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation
    from platform_assets.monitoring.telemetry.exporter import page

    with fail_readably():
        text = page(collector(Installation.from_environment()))
        names = [line.removeprefix("# HELP ").removeprefix("# TYPE ") for line in text.splitlines()]
        lines = [
            line
            for line, name in zip(text.splitlines(), names, strict=True)
            if match is None or match in name.partition("{")[0].partition(" ")[0]
        ]
        typer.echo("\n".join(lines))


PROGRAM = "beside-metrics"


def keep_serving(installation: Installation, host: str, port: int) -> Path:
    """Have the local target keep the metrics served in the background; returns the log."""
    from platform_assets.cli.features.stream import forwarded

    command = [sys.executable, "-m", "platform_assets.cli", "metrics", "serve", "--host", host, "--port", str(port)]
    environment = forwarded("DAGSTER_HOME")
    return installation.serving.target().keep_beside(PROGRAM, command, environment, Path.cwd())


def collector(installation: Installation) -> PlatformCollector:
    """What the platform's metrics are read from."""
    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.telemetry.exporter import PlatformCollector
    from platform_assets.orchestration.dagster_folder import use_dagster_of_this_folder
    from platform_assets.orchestration.operations import Operations
    from platform_assets.pipelines.platform_metrics import platform_parts

    use_dagster_of_this_folder(installation.settings.own_home)
    memory = Operations.of(installation, lambda line: console.print(line, markup=False))
    use_cases = [declared.use_case for declared in declared_use_cases()]
    return PlatformCollector(platform_parts(installation, use_cases, memory))


def _serve(installation: Installation, host: str, port: int) -> None:
    import threading

    import prometheus_client

    from platform_assets.cli.console import console
    from platform_assets.cli.features.stream import stopping

    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    platform = collector(installation)
    registry.register(platform)
    for _ in platform.collect():
        pass  # the first reading imports libraries: no scrape waits for it
    ended = threading.Event()
    with stopping(ended):
        server, thread = prometheus_client.start_http_server(port, host, registry)
        console.print(f"metrics on http://{host}:{server.server_port}{PATH}", markup=False)
        ended.wait()
        server.shutdown()
        server.server_close()
        thread.join()
