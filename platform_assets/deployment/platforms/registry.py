"""The serving platforms, by name.

Belongs here: finding one. Does not belong here: the platforms (one file each), or the list of those that can be declared
(`declaration/serving_platforms.py`).
"""

from platform_assets.declaration.serving_platforms import DECLARED_PLATFORMS
from platform_assets.deployment.platforms.base import Platform
from platform_assets.members import ImplementationRegistry

PLATFORMS: ImplementationRegistry[Platform] = ImplementationRegistry(
    DECLARED_PLATFORMS, lambda declared: declared.packaged_by
)
