"""The protos that are served, compiled in memory.

Belongs here: the Open Inference Protocol's messages (names and numbers are the protocol's), and text to message classes. Does not belong
here: the typed proto's text (`serving/doors/proto.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

INFERENCE_SERVICE = "inference.GRPCInferenceService"
OPEN_INFERENCE = """
syntax = "proto3";
package inference;

service GRPCInferenceService {
  rpc ServerLive(ServerLiveRequest) returns (ServerLiveResponse);
  rpc ServerReady(ServerReadyRequest) returns (ServerReadyResponse);
  rpc ModelReady(ModelReadyRequest) returns (ModelReadyResponse);
  rpc ServerMetadata(ServerMetadataRequest) returns (ServerMetadataResponse);
  rpc ModelMetadata(ModelMetadataRequest) returns (ModelMetadataResponse);
  rpc ModelInfer(ModelInferRequest) returns (ModelInferResponse);
}

message ServerLiveRequest {}
message ServerLiveResponse { bool live = 1; }
message ServerReadyRequest {}
message ServerReadyResponse { bool ready = 1; }
message ModelReadyRequest { string name = 1; string version = 2; }
message ModelReadyResponse { bool ready = 1; }
message ServerMetadataRequest {}
message ServerMetadataResponse { string name = 1; string version = 2; repeated string extensions = 3; }
message ModelMetadataRequest { string name = 1; string version = 2; }
message ModelMetadataResponse {
  message TensorMetadata { string name = 1; string datatype = 2; repeated int64 shape = 3; }
  string name = 1;
  repeated string versions = 2;
  string platform = 3;
  repeated TensorMetadata inputs = 4;
  repeated TensorMetadata outputs = 5;
}
message ModelInferRequest {
  message InferInputTensor {
    string name = 1;
    string datatype = 2;
    repeated int64 shape = 3;
    map<string, InferParameter> parameters = 4;
    InferTensorContents contents = 5;
  }
  message InferRequestedOutputTensor { string name = 1; map<string, InferParameter> parameters = 2; }
  string model_name = 1;
  string model_version = 2;
  string id = 3;
  map<string, InferParameter> parameters = 4;
  repeated InferInputTensor inputs = 5;
  repeated InferRequestedOutputTensor outputs = 6;
  repeated bytes raw_input_contents = 7;
}
message ModelInferResponse {
  message InferOutputTensor {
    string name = 1;
    string datatype = 2;
    repeated int64 shape = 3;
    map<string, InferParameter> parameters = 4;
    InferTensorContents contents = 5;
  }
  string model_name = 1;
  string model_version = 2;
  string id = 3;
  map<string, InferParameter> parameters = 4;
  repeated InferOutputTensor outputs = 5;
  repeated bytes raw_output_contents = 6;
}
message InferParameter {
  oneof parameter_choice {
    bool bool_param = 1;
    int64 int64_param = 2;
    string string_param = 3;
    double double_param = 4;
    uint64 uint64_param = 5;
  }
}
message InferTensorContents {
  repeated bool bool_contents = 1;
  repeated int32 int_contents = 2;
  repeated int64 int64_contents = 3;
  repeated uint32 uint_contents = 4;
  repeated uint64 uint64_contents = 5;
  repeated float fp32_contents = 6;
  repeated double fp64_contents = 7;
  repeated bytes bytes_contents = 8;
}
"""


class ProtoError(ValueError):
    """A text is no valid proto; the message is the compiler's."""


@dataclass(frozen=True)
class Compiled:
    """The message classes of one proto, by their names within its package."""

    messages: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        """A message class."""
        try:
            return self.messages[name]
        except KeyError:
            raise AttributeError(name) from None


def describe(text: str, name: str = "service.proto") -> FileDescriptorProto:
    """The descriptor of a proto that imports nothing, comments included.

    Args:
        text: the proto.
        name: how errors call its file.

    Raises:
        ProtoError: it is not valid.
    """
    import subprocess
    import sys

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with tempfile.TemporaryDirectory(prefix="proto-") as folder:
        source, out = Path(folder) / name, Path(folder) / "descriptors"
        source.write_text(text, encoding="utf-8")
        # In a process of its own: the compiler writes what is wrong to the process's standard error, past Python.
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"--descriptor_set_out={out}"]
        done = subprocess.run(
            [*command, "--include_source_info", str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ProtoError(done.stderr.strip().replace(f"{folder}/", "")[-1000:])
        return FileDescriptorSet.FromString(out.read_bytes()).file[0]


def compile_proto(text: str) -> Compiled:
    """The message classes of a proto that imports nothing; each call makes classes of their own.

    Raises:
        ProtoError: it is not valid.
    """
    from google.protobuf import descriptor_pool, message_factory

    described = describe(text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described)
    found = message_factory.GetMessageClassesForFiles([described.name], pool)
    return Compiled({name.removeprefix(f"{described.package}."): kind for name, kind in found.items()})
