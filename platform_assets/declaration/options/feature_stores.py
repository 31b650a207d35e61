"""`feature_store`: where a service finds what it needs of the past, and where features are known by name.

Belongs here: its values. Does not belong here: the stores (`features/online`).
"""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, OptionRefusal, ToolChoice
from platform_assets.members import MemberRegistry

_STORES = "platform_assets.features.feature_stores"
_STATE = "services answer from their own online state, as with `feast`"
FEAST = Option(
    "feast",
    means="Feast's registry and its online store; training sets are made by our own join",
    carried_out_by=f"{_STORES}.base:NOTHING_TO_PUBLISH",
    proven_by="unit/features/test_store.py::test_what_is_written_is_there_and_the_watermark_follows",
)
DATABRICKS = Option(
    "databricks",
    means="Feature tables are tables of Unity Catalog too, with key and time column, and are published to its online store; "
    + _STATE,
    own_keys=("databricks",),
    needs={"databricks": "declare `databricks: {workspace: VARIABLE, token: VARIABLE, unity_schema: catalog.schema}`"},
    carried_out_by=f"{_STORES}.unity_catalog:OPENED",
    lacks="a run against a workspace: held against requests that Databricks' own client makes, and a simulated catalog",
    proven_by="contracts/test_feature_stores.py::test_requests_are_those_of_the_makers_own_client",
)
CUSTOM = Option(
    "custom",
    means="Feature tables are published in a store of yours, day by day; " + _STATE,
    own_keys=("custom_feature_store",),
    needs={"custom_feature_store": "declare `custom_feature_store: {opened_by: module:function}`"},
    carried_out_by=f"{_STORES}.custom:OPENED",
    proven_by="contracts/test_feature_stores.py::test_a_day_is_published_in_a_store_of_ones_own",
)
TECTON = Option(
    "tecton",
    means="Features would stand in Tecton",
    refused=OptionRefusal(
        "it belongs to Databricks, which goes on with its own feature store alone",
        date(2026, 12, 1),
        "Declare `databricks` or `feast`",
    ),
)

_MODULE = "platform_assets.declaration.options.feature_stores"
FEATURE_STORE: ToolChoice[Option] = ToolChoice(
    "feature_store",
    "Where features are known by name",
    "feast",
    MemberRegistry(
        "feature store",
        {
            "feast": f"{_MODULE}:FEAST",
            "databricks": f"{_MODULE}:DATABRICKS",
            "custom": f"{_MODULE}:CUSTOM",
            "tecton": f"{_MODULE}:TECTON",
        },
    ),
)
FeatureStoreName = Annotated[str, BeforeValidator(FEATURE_STORE.allowed), WithJsonSchema(FEATURE_STORE.schema)]
"""What `feature_store` may say."""
