"""The one Definitions object: every use case below `defs/`, and the resources.

Belongs here: what Dagster loads. Does not belong here: how it is put together (`orchestration/assembly.py`).
"""

import logging

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.orchestration.assembly import installed_definitions
from platform_assets.settings import definitions_are_checked


@dg.definitions
def defs() -> dg.Definitions:
    """All use cases with this installation's resources; one that cannot be loaded is named and left out, and red in `dg check defs`."""
    warn = logging.getLogger(__name__).warning
    return installed_definitions(Installation.from_environment(), warn, strict=definitions_are_checked())
