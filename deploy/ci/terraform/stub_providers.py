"""Providers that know their schema and nothing else, for `terraform validate` and `terraform test` with mock providers.

Usage: python deploy/ci/terraform/stub_providers.py SCHEMAS, a folder of provider_schemas.py's files, each named after its
provider. Prints one line, the value of TF_REATTACH_PROVIDERS, and answers until its standard input ends.

Belongs here: Terraform's plugin protocol, as far as checks need it. Does not belong here: where schemas come from.
"""

import json
import os
import sys
import tempfile
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from tf.gen import tfplugin_pb2 as messages
from tf.gen import tfplugin_pb2_grpc as protocol

_BLOCK_NESTING = messages.Schema.NestedBlock.NestingMode
_ATTRIBUTE_NESTING = messages.Schema.Object.NestingMode


def attribute_message(name: str, attribute: dict[str, Any]) -> messages.Schema.Attribute:
    """One attribute, of a type or of nested attributes."""
    flags = {key: attribute[key] for key in ("required", "optional", "computed", "sensitive") if key in attribute}
    if "nested_type" not in attribute:
        return messages.Schema.Attribute(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    nested = attribute["nested_type"]
    inside = messages.Schema.Object(
        attributes=[attribute_message(*one) for one in nested["attributes"].items()],
        nesting=_ATTRIBUTE_NESTING.Value(nested["nesting_mode"].upper()),
    )
    return messages.Schema.Attribute(name=name, nested_type=inside, **flags)


def block_message(block: dict[str, Any]) -> messages.Schema.Block:
    """A block with its attributes and the blocks in it."""
    nested = [
        messages.Schema.NestedBlock(
            type_name=name,
            block=block_message(kind["block"]),
            nesting=_BLOCK_NESTING.Value(kind["nesting_mode"].upper()),
            min_items=kind.get("min_items", 0),
            max_items=kind.get("max_items", 0),
        )
        for name, kind in block["block_types"].items()
    ]
    attributes = [attribute_message(*one) for one in block["attributes"].items()]
    return messages.Schema.Block(attributes=attributes, block_types=nested)


class StubProvider(protocol.ProviderServicer):
    """Answers for the schema, and finds nothing wrong: what is wrong with the schema's eyes, Terraform finds itself."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._answer = messages.GetProviderSchema.Response(
            provider=self._schema(schemas["provider"]),
            resource_schemas={name: self._schema(one) for name, one in schemas["resource_schemas"].items()},
            data_source_schemas={name: self._schema(one) for name, one in schemas["data_source_schemas"].items()},
            server_capabilities=messages.ServerCapabilities(get_provider_schema_optional=True),
        )

    @staticmethod
    def _schema(schema: dict[str, Any]) -> messages.Schema:
        return messages.Schema(version=0, block=block_message(schema["block"]))

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        """The schemas."""
        return self._answer

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        """Nothing is wrong with it."""
        return messages.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        """Nothing is wrong with it."""
        return messages.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        """Nothing is wrong with it."""
        return messages.ValidateDataResourceConfig.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        """It goes on for the next command."""
        return messages.StopProvider.Response()


def serve(schemas: Path, sockets: Path) -> dict[str, Any]:
    """Start a server for each provider; returns what Terraform attaches to."""
    attached = {}
    for file in sorted(schemas.glob("*.json")):
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        protocol.add_ProviderServicer_to_server(StubProvider(json.loads(file.read_text())), server)
        address = sockets / file.stem
        server.add_insecure_port(f"unix://{address}")
        server.start()
        attached[f"registry.terraform.io/hashicorp/{file.stem}"] = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": str(address)},
            "server": server,
        }
    return attached


def main(arguments: list[str]) -> None:
    """Serve until the caller goes away."""
    [schemas] = map(Path, arguments)
    with tempfile.TemporaryDirectory() as sockets:
        attached = serve(schemas, Path(sockets))
        servers = [one.pop("server") for one in attached.values()]
        sys.stdout.write(json.dumps(attached) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        for server in servers:
            server.stop(grace=0)


if __name__ == "__main__":
    main(sys.argv[1:])
