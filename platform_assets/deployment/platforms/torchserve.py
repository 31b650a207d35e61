"""TorchServe: refused.

Belongs here: that refusal. Does not belong here: its reason, which the declaration gives too (`declaration/serving_platforms.py`).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.declaration.options.base import OptionRefused
from platform_assets.declaration.serving_platforms import PLATFORM
from platform_assets.declaration.serving_platforms import TORCHSERVE as DECLARED
from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings, PlatformPackage, PlatformRefused


class TorchServe:
    """A platform for which nothing is made."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """Refuse.

        Raises:
            PlatformRefused: always.
        """
        refused = DECLARED.refused
        assert refused is not None, "nothing is made for it"
        raise PlatformRefused(f"{model.use_case.name}: {OptionRefused(PLATFORM.field, DECLARED.name, refused)}")


TORCHSERVE = TorchServe()
