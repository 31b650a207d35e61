"""Requests that a model takes: made from its metadata, or given.

Belongs here: datatypes and values. Does not belong here: sending (`rest.py`, `grpc_checks.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

DATATYPES = {
    "BOOL": (bool, "?", "bool_contents"), "UINT8": (int, "B", "uint_contents"), "UINT16": (int, "H", "uint_contents"),
    "UINT32": (int, "I", "uint_contents"), "UINT64": (int, "Q", "uint64_contents"), "INT8": (int, "b", "int_contents"),
    "INT16": (int, "h", "int_contents"), "INT32": (int, "i", "int_contents"), "INT64": (int, "q", "int64_contents"),
    "FP16": (float, "e", None), "FP32": (float, "f", "fp32_contents"), "FP64": (float, "d", "fp64_contents"),
    "BYTES": (str, "", "bytes_contents"), "BF16": (float, "", None),
}  # fmt: skip
"""The protocol's datatypes: what a value is in JSON, in binary, and where it stands in a gRPC message."""
DEFAULTS = {bool: True, int: 1, float: 1.0, str: "example"}


def made_request(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A request with one value repeated for each input, every open dimension being 1."""
    inputs = []
    for tensor in metadata.get("inputs") or []:
        shape = [1 if size < 0 else size for size in tensor["shape"]]
        value = DEFAULTS[DATATYPES.get(tensor["datatype"], DATATYPES["FP32"])[0]]
        inputs.append(
            {"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": [value] * size_of(shape)}
        )
    return {"inputs": inputs}


def size_of(shape: Sequence[int]) -> int:
    """How many values a tensor of that shape has."""
    total = 1
    for size in shape:
        total *= size
    return total


def flat(data: Any) -> list[Any]:
    """The values of nested lists in row-major order."""
    return [value for item in data for value in flat(item)] if isinstance(data, list) else [data]


def nested(values: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Values in lists that are nested as the shape is."""
    if len(shape) <= 1:
        return list(values)
    step = len(values) // shape[0] if shape[0] else 0
    return [nested(values[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0])]


def repeated(request: Mapping[str, Any], times: int) -> dict[str, Any]:
    """The request with its rows repeated, the first dimension being the rows."""
    inputs = []
    for tensor in request["inputs"]:
        shape = [tensor["shape"][0] * times, *tensor["shape"][1:]]
        inputs.append({**tensor, "shape": shape, "data": flat(tensor["data"]) * times})
    return {**request, "inputs": inputs}


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    """Values as raw contents."""
    if datatype == "BYTES":
        texts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(values)}{DATATYPES[datatype][1]}", *values)


def is_of(datatype: str, value: Any) -> bool:
    """Whether a value of JSON is one of the datatype."""
    kind = DATATYPES[datatype][0]
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
