"""The kinds of connectors that a source can name.

Belongs here: the list, and validating a declared connector by the model of its kind. Does not belong here: any one kind.

A further kind is a model (a file here, derived from `ConnectorDeclaration`), what reads it (a folder in `connectors/`, named by the
model's `reader`), and a line in this list.
"""

from functools import lru_cache, reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

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
    },
)


@lru_cache(maxsize=8)
def _union(*models: type[ConnectorDeclaration]) -> TypeAdapter[ConnectorDeclaration]:
    any_of_them: Any = reduce(or_, models)
    by_kind: Any = Annotated[any_of_them, Field(discriminator="kind")]
    return TypeAdapter(by_kind)


def _registered() -> TypeAdapter[ConnectorDeclaration]:
    """The union of the models that are in the list now, told apart by `kind`."""
    return _union(*(CONNECTORS[kind] for kind in CONNECTORS))


class _OfRegisteredKind:
    """Validation and JSON schema of a field that holds any registered connector.

    A union in the annotation would be closed when the model is built: a kind that is added later could not be declared.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: _registered().validate_python(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_registered().core_schema)


Connector = Annotated[ConnectorDeclaration, _OfRegisteredKind()]
"""A declared connector of any registered kind."""
