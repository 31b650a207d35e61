"""The list of model registries.

Belongs here: names, and how one is opened. Does not belong here: what a registry does (`base.py`, and one module for each).
"""

from typing import Protocol

from platform_assets.members import MemberRegistry
from platform_assets.registry.base import Environment, ModelRegistry


class OpensRegistry(Protocol):
    """A member of the list: opens the registry at an address; nothing is connected before the first question."""

    def __call__(self, address: str, environment: Environment, /) -> ModelRegistry:
        """The registry at that address, as one environment sees it."""
        ...


MODEL_REGISTRIES: MemberRegistry[OpensRegistry] = MemberRegistry(
    "model registry", {"mlflow": "platform_assets.registry.mlflow_registry:MlflowRegistry"}
)
