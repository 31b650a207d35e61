"""The requirement's language: pydantic models that are frozen and refuse unknown fields.

Belongs here: what a team can declare, the names derived from it, and the feature contract. Does not belong here:
dagster, or any computation on rows but what an expression
means (`expressions/`).
"""

from platform_assets.declaration.contract import feature_contract, feature_contract_hash
from platform_assets.declaration.loader import load_use_case
from platform_assets.declaration.problems import DeclarationError
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.features import Entity, FeatureView, RowFeature, Window
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.use_case import UseCase

__all__ = [
    "EVENT_DAY",
    "Column",
    "DeclarationError",
    "Entity",
    "FeatureView",
    "RowFeature",
    "Source",
    "UseCase",
    "Window",
    "feature_contract",
    "feature_contract_hash",
    "load_use_case",
]
