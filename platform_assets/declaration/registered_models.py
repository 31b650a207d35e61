"""A declared field that holds any model of a registry, told apart by one of its fields.

Belongs here: validation and JSON schema of such a field. Does not belong here: any registry, or any model.

A union in the annotation would be closed when the model that has the field is built: a member that is registered later could not be
declared.
"""

from functools import lru_cache, reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from platform_assets.declaration.base import Declaration
from platform_assets.members import MemberRegistry


class OfRegistered:
    """Annotates a field: `Annotated[Base, OfRegistered(REGISTRY, "kind")]` takes what any member takes."""

    def __init__(self, registry: MemberRegistry[Any], discriminator: str) -> None:
        """Name the registry of models, and the field whose value is a member's name."""
        self._registry = registry
        self._discriminator = discriminator

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: self._registered().validate_python(value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self._registered().core_schema)

    @property
    def models(self) -> tuple[type[Declaration], ...]:
        """The models that are registered now."""
        return tuple(self._registry[name] for name in self._registry)

    def _registered(self) -> TypeAdapter[Declaration]:
        """The union of the models that are registered now."""
        return _union(self._discriminator, *self.models)


@lru_cache(maxsize=16)
def _union(discriminator: str, *models: type[Declaration]) -> TypeAdapter[Declaration]:
    any_of_them: Any = reduce(or_, models)
    told_apart: Any = Annotated[any_of_them, Field(discriminator=discriminator)]
    return TypeAdapter(told_apart)
