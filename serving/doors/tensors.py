"""Tensors of the Open Inference Protocol to events, and answers to tensors: pure functions.

Belongs here: names, datatypes and shapes of a use case's tensors, their JSON and binary forms, and what is refused. Does not belong here:
HTTP (`open_inference.py`), gRPC (`grpc/`), or which values a column takes (`serving/request.py`).

A use case has one input for each column of its request, of shape [n] or [n, 1]; row i of all inputs is one event. Nothing is rounded: a
column of whole numbers takes any number that is whole. A missing value is `null` in JSON, and NaN in a binary tensor of numbers; an input
that may be missing in every row may be left out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.tasks.registry import task_of
from serving.bodies import MAX_BATCH_ROWS, shown_name
from serving.refusals import Problem, RequestRefused

if TYPE_CHECKING:
    from platform_assets.declaration import Column, UseCase

SERVER = "platform-assets"
EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = "inference-header-content-length"
"""How many of a body's first bytes are JSON; tensors in binary follow."""
BYTES = "BYTES"
NUMBERS: Mapping[str, str] = {
    "BOOL": "?", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4",
    "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
"""Datatypes of fixed size, as numpy calls them."""
COLUMN_DATATYPES = {"int8": "INT8", "int32": "INT32", "int64": "INT64", "float64": "FP64", "bool": "BOOL"}
"""The others are texts: a time is one in ISO 8601 with its UTC offset."""
SCORE, DECISION, PROBABILITIES, UNKNOWN, FALLBACK = "score", "decision", "probabilities", "unknown_entities", "fallback"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Tensor:
    """A tensor of a use case; -1 is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...] = (-1,)

    def metadata(self) -> dict[str, Any]:
        """As the protocol's metadata has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Given:
    """A tensor with its values, row after row.

    Attributes:
        values: one for each row; of `probabilities` a list for each.
    """

    tensor: Tensor
    values: list[Any]

    @property
    def shape(self) -> list[int]:
        """With the number of rows in place of -1."""
        return [len(self.values) if size == -1 else size for size in self.tensor.shape]

    @property
    def flat(self) -> list[Any]:
        """The values in row-major order."""
        return [item for row in self.values for item in row] if len(self.tensor.shape) > 1 else self.values


def inputs_of(use_case: UseCase) -> dict[str, Tensor]:
    """The inputs of a use case by name: the columns of its request."""
    columns = [use_case.event_source.column(name) for name in use_case.serving.request]
    return {column.name: Tensor(column.name, COLUMN_DATATYPES.get(column.type, BYTES)) for column in columns}


def outputs_of(use_case: UseCase) -> dict[str, Tensor]:
    """The outputs of a use case by name."""
    outputs = [Tensor(SCORE, "FP64")]
    if task_of(use_case).decisions(use_case):
        outputs.append(Tensor(DECISION, BYTES))
    if use_case.classes:
        outputs.append(Tensor(PROBABILITIES, "FP64", (-1, len(use_case.classes))))
    outputs += [Tensor(UNKNOWN, BYTES), Tensor(FALLBACK, BYTES)]
    return {output.name: output for output in outputs}


def refused(error: str, *problems: Problem) -> RequestRefused:
    """A request that is no valid one of the protocol."""
    return RequestRefused(400, error, problems)


def events_of(request: Any, use_case: UseCase, binary: bytes = b"") -> list[dict[str, Any]]:
    """The events in an inference request: column name to a value as JSON would have it, not yet checked against the column.

    Args:
        request: the JSON object.
        use_case: whose inputs they are.
        binary: what follows the JSON object in the binary extension.

    Raises:
        RequestRefused: it is no request of the protocol, or its inputs do not fit each other or the use case.
    """
    inputs = request.get("inputs") if isinstance(request, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise refused("the request needs `inputs`, a list of tensors")
    known = inputs_of(use_case)
    columns: dict[str, list[Any]] = {}
    at = 0
    for index, tensor in enumerate(inputs):
        name = _name(tensor, index)
        if name not in known:
            raise refused(f"there is no input {shown_name(name)!r}; the inputs are {', '.join(known)}")
        if name in columns:
            raise refused(f"input {name!r} stands more than once in the request")
        size = _binary_size(tensor, name)
        if at + size > len(binary):
            raise refused(f"input {name!r} has binary_data_size {size}, but only {len(binary) - at} bytes are left")
        columns[name] = _values(tensor, use_case.event_source.column(name), binary[at : at + size] if size else None)
        at += size
    if at != len(binary):
        raise refused(f"{len(binary) - at} bytes of binary data belong to no input")
    return _rows(columns, use_case)


def _rows(columns: Mapping[str, list[Any]], use_case: UseCase) -> list[dict[str, Any]]:
    first, values = next(iter(columns.items()))
    for name, others in columns.items():
        if len(others) != len(values):
            raise refused(f"input {first!r} has {len(values)} rows and input {name!r} {len(others)}")
    if not 1 <= len(values) <= MAX_BATCH_ROWS:
        raise refused(f"the request has {len(values)} rows; 1 to {MAX_BATCH_ROWS} are taken at a time")
    missing = [
        name
        for name in use_case.serving.request
        if name not in columns and not use_case.event_source.column(name).nullable
    ]
    if missing:
        raise refused(f"the request lacks the inputs {', '.join(missing)}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def requested_outputs(request: Mapping[str, Any], use_case: UseCase) -> list[tuple[Tensor, bool]]:
    """The outputs to answer with, each with whether it is wanted as binary data; all of them where none is named.

    Raises:
        RequestRefused: one is not an output of the use case.
    """
    known = outputs_of(use_case)
    all_binary = _parameters(request, "the request").get("binary_data_output") is True
    named = request.get("outputs")
    if named is None or named == []:
        return [(output, all_binary) for output in known.values()]
    if not isinstance(named, list):
        raise refused("`outputs` is a list of objects with a name")
    wanted = []
    for index, output in enumerate(named):
        name = _name(output, index, "output")
        if name not in known:
            raise refused(f"there is no output {shown_name(name)!r}; the outputs are {', '.join(known)}")
        binary = _parameters(output, f"output {name!r}").get("binary_data", all_binary)
        wanted.append((known[name], binary is True))
    return wanted


def answers_of(answers: Sequence[Mapping[str, Any]], outputs: Sequence[Tensor], use_case: UseCase) -> list[Given]:
    """Answers as `score` gives them, as tensors."""
    readers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        SCORE: _score,
        DECISION: lambda answer: answer.get("decision", answer.get("class")),
        PROBABILITIES: lambda answer: [answer["probabilities"][name] for name in use_case.classes],
        UNKNOWN: lambda answer: ",".join(answer.get("unknown_entities") or ()),
        FALLBACK: lambda answer: answer.get("fallback") or "",
    }
    return [Given(output, [readers[output.name](answer) for answer in answers]) for output in outputs]


def _score(answer: Mapping[str, Any]) -> float:
    """The score of an answer of any kind of task: what the prediction log calls so."""
    if "probabilities" in answer:
        return float(max(answer["probabilities"].values()))
    return float(answer["probability"] if "probability" in answer else answer["value"])


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    """Values as a binary tensor: little-endian numbers, or texts each behind its length."""
    if datatype == BYTES:
        texts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.asarray(values, dtype=NUMBERS[datatype]).tobytes()


def unpacked(datatype: str, content: bytes, name: str) -> list[Any]:
    """The values of a binary tensor.

    Raises:
        RequestRefused: the content is not of that datatype.
    """
    if datatype == BYTES:
        return list(_texts(content, name))
    dtype = np.dtype(NUMBERS[datatype])
    if len(content) % dtype.itemsize:
        raise refused(f"input {name!r}: {len(content)} bytes are no whole number of {datatype} values")
    values: list[Any] = np.frombuffer(content, dtype).tolist()
    return values


def _texts(content: bytes, name: str) -> Iterator[str]:
    at = 0
    while at < len(content):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(content, at)[0] if start <= len(content) else start
        if at > len(content):
            raise refused(f"input {name!r}: the binary data ends within a text")
        yield text_of(content[start:at], name)


def text_of(content: bytes, name: str) -> str:
    """An element of a BYTES tensor as text.

    Raises:
        RequestRefused: it is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise refused(f"input {name!r} holds a value that is not UTF-8") from None


def _values(tensor: Mapping[str, Any], column: Column, binary: bytes | None) -> list[Any]:
    """The values of an input, one for each row."""
    name, datatype = column.name, tensor.get("datatype")
    expected = COLUMN_DATATYPES.get(column.type, BYTES)
    if datatype != BYTES and datatype not in NUMBERS:
        raise refused(f"input {name!r} has datatype {datatype!r}, which is none of the protocol's that is taken here")
    if _kind(str(datatype)) != _kind(expected):
        raise refused(f"input {name!r} has datatype {datatype}, and {expected} is expected")
    rows = _row_count(tensor.get("shape"), name)
    if binary is not None:
        if "data" in tensor:
            raise refused(f"input {name!r} has `data` and binary data")
        values = unpacked(str(datatype), binary, name)
    else:
        values = _flat(tensor.get("data"), name)
    if len(values) != rows:
        raise refused(f"input {name!r} has shape {tensor['shape']}, but {len(values)} values")
    if column.nullable and expected == "FP64":
        return [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    return values


def _kind(datatype: str) -> str:
    """Which datatypes stand for each other: every number for every number, as long as its value fits."""
    return datatype if datatype in (BYTES, "BOOL") else "number"


def _row_count(shape: Any, name: str) -> int:
    good = isinstance(shape, list) and 1 <= len(shape) <= 2 and all(type(size) is int and size >= 0 for size in shape)
    if not good or (len(shape) == 2 and shape[1] != 1):
        raise refused(f"input {name!r} has shape {str(shape)[:64]}; [rows] or [rows, 1] is expected")
    return int(shape[0])


def _flat(data: Any, name: str) -> list[Any]:
    """JSON data in row-major order; it may be nested as the shape is."""
    if not isinstance(data, list):
        raise refused(f"input {name!r} needs `data`, a list")
    nested = [isinstance(item, list) for item in data]
    if not any(nested):
        return data
    if not all(nested) or any(len(item) != 1 or isinstance(item[0], list) for item in data):
        raise refused(f"input {name!r}: `data` is nested otherwise than its shape")
    return [item[0] for item in data]


def _name(tensor: Any, index: int, what: str = "input") -> str:
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(name, str):
        raise refused(f"{what} {index} has no name")
    return name


def _parameters(holder: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    parameters = holder.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise refused(f"`parameters` of {what} is an object")
    return parameters


def _binary_size(tensor: Mapping[str, Any], name: str) -> int:
    parameters = _parameters(tensor, f"input {name!r}")
    if "shared_memory_region" in parameters:
        raise refused(f"input {name!r} asks for shared memory, which is not offered; send its data")
    size = parameters.get("binary_data_size", 0)
    if type(size) is not int or size < 0:
        raise refused(f"binary_data_size of input {name!r} is a number of bytes")
    return size
