"""The one Definitions object: every use case below `defs/`, and the resources.

Belongs here: what Dagster loads. Does not belong here: how it is put together (`orchestration/assembly.py`).
"""

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.orchestration.assembly import installed_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """All use cases with this installation's resources."""
    return installed_definitions(Installation.from_environment())
