"""Simulated rows, as declared.

Belongs here: the declaration, and how an installation changes it. Does not belong here: drawing rows (`connectors/simulator/`,
`simulation/`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration


class SimulatorConnector(ConnectorDeclaration):
    """Rows drawn by a generator of this project; simulated data says so in its name."""

    reader: ClassVar[str] = "platform_assets.connectors.simulator.reader:SIMULATOR"
    is_simulated: ClassVar[bool] = True

    kind: Literal["simulator"] = Field(description="Simulated rows.")
    generator: str = Field(description="Dotted path of the generator class, `package.module:Class`.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the generator, the seed included.")
    table: str | None = Field(
        default=None, description="Name of the table inside the generator; default: the source's name."
    )
    faults: tuple[dict[str, Any], ...] = Field(
        default=(), description="Faults to plant on purpose, to prove that the gates hold (see simulation/faults.py)."
    )

    def simulated_with(self, settings: Mapping[str, Any], faults: Iterable[Mapping[str, Any]]) -> Self:
        """As `ConnectorDeclaration.simulated_with`."""
        planted = (*self.faults, *map(dict, faults))
        return self.model_copy(update={"settings": {**self.settings, **settings}, "faults": planted})
