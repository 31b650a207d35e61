"""Feature stores of others that feature tables are published in: what each needs to be told.

Belongs here: the declaration. Does not belong here: which store is chosen (`options/feature_stores.py`), publishing
(`features/feature_stores`), or the online state that services answer from, which settings of the installation say.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from platform_assets.declaration.base import Declaration
from platform_assets.declaration.sections.connectors.base import Variable
from platform_assets.declaration.sections.features import FunctionPath

UnitySchema = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+\.[A-Za-z0-9_]+$")]
"""Catalog and schema of Unity Catalog."""


class Databricks(Declaration):
    """Unity Catalog of a Databricks workspace."""

    workspace: Variable = Field(
        description="Name of the environment variable that holds the workspace's address, `https://...`."
    )
    token: Variable = Field(description="Name of the environment variable that holds a token.")
    unity_schema: UnitySchema = Field(
        description="Where feature tables stand, `catalog.schema`; both have to be there. A table is called `use_case_view`."
    )
    online_store: str | None = Field(
        default=None,
        min_length=1,
        description="Online store of the workspace that tables are published to as well; none when left out.",
    )
    publish_mode: Literal["triggered", "continuous", "snapshot"] = Field(
        default="triggered", description="How the online table follows the feature table."
    )


class CustomFeatureStore(Declaration):
    """A feature store of your own."""

    opened_by: FunctionPath = Field(
        description="`module:function`, which takes `settings` and the environment's variables and returns the store: see "
        "docs/guide/options.md."
    )
    settings: dict[str, str] = Field(
        default_factory=dict, description="What the function is given. Names of variables, never credentials."
    )
