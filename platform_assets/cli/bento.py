"""`platform-assets bento`: where the champion's Bento lies, and how to serve it by hand.

Belongs here: what is printed. Does not belong here: building (`pipelines/package.py`), the environment (`deployment/packaging/by_hand.py`).
"""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from platform_assets.cli.completion import use_case_names
from platform_assets.cli.console import console, fail_readably

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.installation import Installation


def bento(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
) -> None:
    """Show where the champion's Bento lies (BENTOML_HOME), and how to serve it with `bentoml serve`."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation

    with fail_readably():
        installation = Installation.from_environment()
        for declared in declared_use_cases(use_case):
            show(installation, declared.use_case)


def show(installation: "Installation", use_case: "UseCase") -> None:
    """Print it for one use case."""
    from platform_assets.deployment.packaging import find_bento
    from platform_assets.deployment.packaging.by_hand import (
        bento_home,
        command_by_hand,
        containerfile,
        write_environment,
    )
    from platform_assets.pipelines.package import DIGEST_TAG, serving_settings
    from platform_assets.registry.base import CHAMPION

    champion = installation.models.registry().by_alias(use_case.name, CHAMPION)
    digest = None if champion is None else champion.tags.get(DIGEST_TAG)
    found = None if digest is None else find_bento(use_case, digest, installation.serving.bento_root())
    if champion is None or found is None:
        said = (
            "there is no champion" if champion is None else f"version {champion.version} has no Bento on this machine"
        )
        console.print(f"[bold]{use_case.name}[/]: {said}; `platform-assets run {use_case.name}` makes one")
        return
    settings = serving_settings(use_case, installation.feature_store, installation.serving)
    environment = write_environment(found, settings)
    console.print(
        f"[bold]{use_case.name}[/]: {found.tag}, model version {champion.version}, {found.size_bytes / 1e6:.1f} MB"
    )
    console.print(f"  BENTOML_HOME={escape(str(bento_home(found)))}")
    console.print(f"  {escape(command_by_hand(found, environment))}")
    console.print(f"  bentoml containerize {found.tag}   needs Docker, or --backend podman or buildah")
    console.print(f"  {escape(str(containerfile(found)))}   what it builds")
