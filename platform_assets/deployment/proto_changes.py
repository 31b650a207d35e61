"""What between two typed protos of a use case would break its callers.

Belongs here: comparing two `.proto` texts. Does not belong here: writing one (`serving/doors/proto.py`).

The rules are those of `buf breaking` in its strictest set, as far as the texts have such parts, and one that no descriptor can show: a
field that was allowed to be missing and is required now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.doors.grpc.protocol import describe
from serving.doors.proto import REQUIRED

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

APPEND = "add new columns at the end of `serving.request`, and take none out while callers send them"


@dataclass(frozen=True)
class _Field:
    name: str
    type: str
    label: str
    required: bool


def breaking_changes(before: str, after: str) -> list[str]:
    """What a caller who was built with the first proto can no longer do with the second; empty when nothing.

    Args:
        before: the proto that callers have.
        after: the proto as it is declared now.

    Raises:
        ProtoError: one of them is no valid proto.
    """
    old, new = describe(before, "before.proto"), describe(after, "after.proto")
    found = [] if old.package == new.package else [f"the package is {new.package!r} and was {old.package!r}"]
    return [*found, *_services(old, new), *_messages(old, new)]


def _services(old: FileDescriptorProto, new: FileDescriptorProto) -> Iterator[str]:
    services = {service.name: {method.name: method for method in service.method} for service in new.service}
    for service in old.service:
        if service.name not in services:
            yield f"service {service.name} is gone"
            continue
        for method in service.method:
            now = services[service.name].get(method.name)
            if now is None:
                yield f"method {service.name}.{method.name} is gone"
            elif _method(now, new.package) != _method(method, old.package):
                yield f"method {service.name}.{method.name} takes or gives another message, or streams otherwise"


def _method(method: Any, package: str) -> tuple[Any, ...]:
    local = tuple(name.removeprefix(f".{package}.") for name in (method.input_type, method.output_type))
    return (*local, method.client_streaming, method.server_streaming)


def _messages(old: FileDescriptorProto, new: FileDescriptorProto) -> Iterator[str]:
    before, after = _fields(old), _fields(new)
    for message, fields in before.items():
        if message not in after:
            yield f"message {message} is gone"
            continue
        for number, field in fields.items():
            now = after[message].get(number)
            if now is None:
                yield f"{message}.{field.name} (number {number}) is gone; {APPEND}"
            else:
                yield from _changes(f"{message}.{field.name} (number {number})", field, now)
        for number, field in after[message].items():
            if number not in fields and field.required:
                name = f"{message}.{field.name} (number {number})"
                yield f"{name} is new and required, and callers do not send it: let it be missing (`nullable: true`)"


def _changes(name: str, before: _Field, now: _Field) -> Iterator[str]:
    if before.name != now.name:
        yield f"{name} is called {now.name!r} now; {APPEND}"
    if before.type != now.type:
        yield f"{name} is of type {now.type} and was {before.type}"
    if before.label != now.label:
        yield f"{name} is {now.label} and was {before.label}"
    if now.required and not before.required:
        yield f"{name} is required and might be missing"


def _fields(described: FileDescriptorProto) -> Mapping[str, Mapping[int, _Field]]:
    """The fields of every message by number, entries of maps included."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    comments = {tuple(where.path): where.leading_comments for where in described.source_code_info.location}
    messages: dict[str, dict[int, _Field]] = {}

    def collect(message: Any, path: tuple[int, ...], prefix: str) -> None:
        name = f"{prefix}{message.name}"
        messages[name] = {}
        for index, field in enumerate(message.field):
            kind = field.type_name.removeprefix(f".{described.package}.") or FieldDescriptorProto.Type.Name(field.type)
            label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
            label = "of a oneof" if field.HasField("oneof_index") and not field.proto3_optional else label
            presence = (
                label if label != "optional" else "with presence" if field.proto3_optional else "without presence"
            )
            comment = comments.get((*path, 2, index), "")
            required = comment.strip().startswith(REQUIRED)
            messages[name][field.number] = _Field(field.name, kind.removeprefix("TYPE_").lower(), presence, required)
        for index, nested in enumerate(message.nested_type):
            collect(nested, (*path, 3, index), f"{name}.")

    for index, message in enumerate(described.message_type):
        collect(message, (4, index), "")
    return messages
