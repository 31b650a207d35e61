"""`platform-assets package`: the champion as a package for another serving platform.

Belongs here: what is asked and printed. Does not belong here: packaging (`pipelines/package_for_platform.py`).
"""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from platform_assets.cli.completion import use_case_names
from platform_assets.cli.console import console, fail_readably


def package(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    output: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    storage_uri: Annotated[
        str, typer.Option(help="Where you will copy its files: s3://bucket/models, pvc://claim/models.")
    ],
    platform: Annotated[
        str | None, typer.Option(help="bento, kserve, seldon or triton; what the use case declares when left out.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="By which licence a platform is used that needs one (seldon): who holds it, or its number."),
    ] = None,
    features: Annotated[
        Literal["caller", "service"],
        typer.Option(help="`caller`: the bare model, asked with features. `service`: our own service (kserve, bento)."),
    ] = "caller",
    namespace: Annotated[str, typer.Option(help="Namespace of its objects.")] = "default",
    image: Annotated[str, typer.Option(help="Runtime image, for `--features service`.")] = "",
    log_claim: Annotated[str, typer.Option(help="Claim for the prediction log, for `--features service`.")] = "",
    service_account: Annotated[str, typer.Option(help="Service account that may read the files.")] = "",
    canary_percent: Annotated[
        int | None, typer.Option(help="Share of the requests that KServe gives the new version at first.")
    ] = None,
) -> None:
    """Package a use case's champion for another serving platform: files, manifests and notes in a folder."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.deployment.platforms.base import PackageSettings
    from platform_assets.installation import Installation
    from platform_assets.pipelines.package import serving_settings
    from platform_assets.pipelines.package_for_platform import package_for_platform

    with fail_readably():
        [declared] = declared_use_cases(use_case)
        installation = Installation.from_environment()
        settings = PackageSettings(storage_uri, namespace, image, features, canary_percent, service_account, log_claim)
        written = package_for_platform(
            declared.use_case,
            installation.models,
            installation.serving.bento_root(),
            serving_settings(declared.use_case, installation.feature_store, installation.serving),
            platform or declared.use_case.serving.platform,
            settings,
            output.absolute(),
            licence,
        )
    console.print(f"[bold]{use_case}[/] version {written.version}: {escape(str(written.folder))}")
    for line in (written.folder / "NOTES.md").read_text(encoding="utf-8").splitlines()[2:]:
        console.print(f"  {escape(line)}")
