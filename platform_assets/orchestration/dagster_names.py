"""Types that Dagster returns from its public functions and gives no public name.

Belongs here: such names, nowhere else imported from `dagster._core`, and names of ours that several modules look for. Does not belong
here: anything that does something.
"""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

CONDITIONS = "automation"
"""Last part of the name of a use case's sensor of automation conditions, which is off: `__due` starts what is due."""


def is_condition_sensor(name: str) -> bool:
    """Whether a sensor evaluates automation conditions, ours or Dagster's own for assets that none of ours covers."""
    return name.endswith(f"__{CONDITIONS}") or name == "default_automation_condition_sensor"


__all__ = ["CONDITIONS", "AssetJob", "is_condition_sensor"]
