"""The kinds of connectors that a source can name.

Belongs here: the list. Does not belong here: any one kind.

A further kind is a model (a file here, derived from `ConnectorDeclaration`), what reads it (a folder in `connectors/`, named by the
model's `reader`), and a line in this list.
"""

from typing import Annotated

from platform_assets.declaration.registered_models import OfRegistered
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration
from platform_assets.members import MemberRegistry

CONNECTORS: MemberRegistry[type[ConnectorDeclaration]] = MemberRegistry(
    "connector",
    {
        "simulator": "platform_assets.declaration.sections.connectors.simulator:SimulatorConnector",
        "files": "platform_assets.declaration.sections.connectors.files:FilesConnector",
        "sql": "platform_assets.declaration.sections.connectors.sql:SqlConnector",
        "delta": "platform_assets.declaration.sections.connectors.delta:DeltaConnector",
        "change_feed": "platform_assets.declaration.sections.connectors.change_feed:ChangeFeedConnector",
        "kafka": "platform_assets.declaration.sections.connectors.kafka:KafkaConnector",
        "kinesis": "platform_assets.declaration.sections.connectors.kinesis:KinesisConnector",
    },
)


Connector = Annotated[ConnectorDeclaration, OfRegistered(CONNECTORS, "kind")]
"""A declared connector of any registered kind."""
