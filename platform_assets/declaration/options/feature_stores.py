"""`feature_store`: where a service finds what it needs of the past, and where features are known by name.

Belongs here: its values. Does not belong here: the stores (`features/online`).
"""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, OptionRefusal, ToolChoice
from platform_assets.members import MemberRegistry

_NOT_YET = "no store of this version writes to it"
FEAST = Option(
    "feast",
    means="Feast's registry and its online store; training sets are made by our own join",
    proven_by="unit/features/test_store.py::test_what_is_written_is_there_and_the_watermark_follows",
)
DATABRICKS = Option(
    "databricks",
    means="Feature tables of Unity Catalog",
    refused=OptionRefusal(_NOT_YET, date(2026, 12, 1), "Declare `feast`"),
)
CUSTOM = Option(
    "custom",
    means="A store of your own",
    refused=OptionRefusal(_NOT_YET, date(2026, 12, 1), "Declare `feast`"),
)
TECTON = Option(
    "tecton",
    means="Features would stand in Tecton",
    refused=OptionRefusal(
        "it belongs to Databricks, which goes on with its own feature store alone", date(2026, 12, 1), "Declare `feast`"
    ),
)

_MODULE = "platform_assets.declaration.options.feature_stores"
FEATURE_STORE: ToolChoice[Option] = ToolChoice(
    "feature_store",
    "Where features are known by name and served from",
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
