"""Secrets in environment variables of their own, told by a prefix: what CI systems and container platforms inject.

Belongs here: this source. Does not belong here: variables without a prefix, which every setting reads as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from platform_assets.secret_sources.base import VARIABLE_NAME, SecretBundle, SourceSettings
from platform_assets.secret_sources.errors import SecretsMissing


class VariablesSettings(SourceSettings):
    """`{"kind": "env", "prefix": "TEAM_A_"}`: `TEAM_A_CARD_DATABASE` is read as `CARD_DATABASE`; without a prefix nothing is added."""

    kind: Literal["env"]
    prefix: str = Field(
        default="", pattern=r"^\w*$", description="What names begin with; left out, the environment counts as it is."
    )

    def opened(self, environment: Mapping[str, str]) -> VariablesSource:
        """As `SourceSettings.opened`."""
        return VariablesSource(self.prefix, environment)


@dataclass(frozen=True)
class VariablesSource:
    """Variables with a prefix."""

    prefix: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        return f"the environment's variables {self.prefix}..." if self.prefix else "the environment"

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        if not self.prefix:
            return SecretBundle({}, "environment")
        found = {
            name.removeprefix(self.prefix): text
            for name, text in self.environment.items()
            if name.startswith(self.prefix)
        }
        values = {name: text for name, text in found.items() if text and VARIABLE_NAME.fullmatch(name)}
        if not values:
            raise SecretsMissing(
                f"no environment variable begins with {self.prefix}: set them where this process starts"
            )
        return SecretBundle(values, f"{len(values)} variables")
