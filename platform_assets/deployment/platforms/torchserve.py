"""TorchServe: refused.

Belongs here: that refusal. Does not belong here: its reason, which the declaration gives too (`declaration/serving_platforms.py`).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.declaration.serving_platforms import DECLARED_PLATFORMS
from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings, PlatformPackage, PlatformRefused


class TorchServe:
    """A platform for which nothing is made."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """Refuse.

        Raises:
            PlatformRefused: always.
        """
        raise PlatformRefused(f"{model.use_case.name}: {DECLARED_PLATFORMS['torchserve'].refused}")


TORCHSERVE = TorchServe()
