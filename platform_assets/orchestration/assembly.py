"""All use cases of a package with an installation's resources, as one Definitions object.

Belongs here: assembly only. Does not belong here: anything that could stand in the component or a resource.
"""

from pathlib import Path

import dagster as dg

import platform_assets
from platform_assets.installation import Installation
from platform_assets.orchestration.resources.build import build_executor, build_resources


def installed_definitions(installation: Installation) -> dg.Definitions:
    """The use cases below `platform_assets/defs/` with the installation's resources and executor."""
    use_cases = dg.load_from_defs_folder(path_within_project=Path(platform_assets.__file__).parent)
    shared = dg.Definitions(resources=build_resources(installation), executor=build_executor(installation.settings))
    return dg.Definitions.merge(use_cases, shared)
