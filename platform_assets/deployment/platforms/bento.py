"""BentoML: the Bento itself, which is our own service.

Belongs here: handing it out. Does not belong here: building it (`deployment/packaging`), deploying it (a target's work).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings, PlatformPackage, PlatformRefused


class BentoPlatform:
    """Packages a model as its Bento; the platform's own targets deploy that without a package."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """As `Platform.package`."""
        bento, written = copy_bento(model, out)
        notes = (
            f"`bentoml containerize` makes an image of it and `bentoml serve` serves it; `platform-assets bento {model.use_case.name}` "
            "prints how. The platform's own targets deploy it without a package.",
            f"The service computes the features, and reads the online store, as the platform's own does; its digest is {bento.digest}.",
        )
        return PlatformPackage(written, (), notes)


def copy_bento(model: ModelToPackage, out: Path) -> tuple[BuiltBento, tuple[str, ...]]:
    """Copy the Bento of a model.

    Returns:
        The Bento, and what was written, relative to `out`.

    Raises:
        PlatformRefused: there is none.
    """
    if model.bento is None:
        raise PlatformRefused(
            f"{model.use_case.name} version {model.version} has no Bento on this machine: materialize its service asset, or run "
            f"`platform-assets run {model.use_case.name}`"
        )
    folder = out / model.use_case.name
    shutil.copytree(model.bento.path, folder)
    return model.bento, tuple(sorted(str(path.relative_to(out)) for path in folder.rglob("*") if path.is_file()))


BENTO = BentoPlatform()
