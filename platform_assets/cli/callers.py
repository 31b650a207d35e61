"""`platform-assets callers`: who may call the services.

Belongs here: the command, and what it prints. Does not belong here: checking callers (the target's proxy does), or settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from platform_assets.installation import Installation

app = typer.Typer(no_args_is_help=True, help="Who may call the services.")


@app.callback()
def _callers() -> None:
    """Who may call the services."""


@app.command()
def apply() -> None:
    """Put the settings of callers in force: tokens, certificates, and whether callers are checked. No request is lost."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        apply_callers(Installation.from_environment())


def apply_callers(installation: Installation) -> None:
    """Put them in force where the services run.

    Raises:
        SettingsError: a token or a certificate cannot be used.
        RoutingRefused: the proxy refuses; what was in force before is.
    """
    from rich.markup import escape

    from platform_assets.cli.console import console

    target = installation.serving.target()
    if not target.status().running:
        console.print("Nothing runs. The next `platform-assets run` puts the settings of callers in force.")
        return
    console.print(escape(target.ensure_running().callers))
