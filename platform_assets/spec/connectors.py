"""Where rows come from, as declared: one model for each kind of connector.

Belongs here: the declaration of connectors. Does not belong here: reading through them (`sources/`), and the table
that the rows make (`sources.py`).
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from platform_assets.spec.base import Declaration


class SimulatorConnector(Declaration):
    """Rows drawn by a generator of this project; simulated data says so in its name."""

    kind: Literal["simulator"] = Field(description="Simulated rows.")
    generator: str = Field(description="Dotted path of the generator class, `package.module:Class`.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings of the generator, the seed included.")
    table: str | None = Field(
        default=None, description="Name of the table inside the generator; default: the source's name."
    )
    faults: tuple[dict[str, Any], ...] = Field(
        default=(), description="Faults to plant on purpose, to prove that the gates hold (see simulation/faults.py)."
    )


class FilesConnector(Declaration):
    """Rows read from files."""

    kind: Literal["files"] = Field(description="Files on disk or in an object store.")
    format: Literal["csv", "parquet", "jsonl"] = Field(description="File format.")
    path: str = Field(
        description="File, folder or glob; relative to the use case's folder. `{event_day}` stands for the day."
    )


Connector = Annotated[SimulatorConnector | FilesConnector, Field(discriminator="kind")]
