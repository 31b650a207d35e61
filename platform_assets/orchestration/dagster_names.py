"""Types that Dagster returns from its public functions and gives no public name.

Belongs here: such names, nowhere else imported from `dagster._core`. Does not belong here: anything that does something.
"""

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

__all__ = ["AssetJob"]
