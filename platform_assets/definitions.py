"""The one Definitions object: every use case below `defs/`, and the resources.

Belongs here: assembly only. Does not belong here: anything that could stand in the component or a resource.
"""

from pathlib import Path

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.orchestration.resources.build import build_executor, build_resources


@dg.definitions
def defs() -> dg.Definitions:
    """All use cases with this installation's resources."""
    use_cases = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    installation = Installation.from_environment()
    shared = dg.Definitions(resources=build_resources(installation), executor=build_executor(installation.settings))
    return dg.Definitions.merge(use_cases, shared)
