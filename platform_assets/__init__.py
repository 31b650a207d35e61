"""Platform Assets: one declared ML requirement becomes a Dagster asset graph.

Belongs here: the component's name, for `dg`. It is resolved on first use, so that packages which must not know
dagster (the stage packages, the service) can be imported without it. Does not belong here: anything else.
"""

from typing import Any

__version__ = "0.1.0.dev0"


def __dir__() -> list[str]:
    return [*globals(), "MlUseCase"]


def __getattr__(name: str) -> Any:
    if name == "MlUseCase":
        from platform_assets.orchestration.component import MlUseCase

        return MlUseCase
    raise AttributeError(f"module 'platform_assets' has no attribute {name!r}")
