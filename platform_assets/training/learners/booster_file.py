"""An xgboost model's file, read without xgboost.

Belongs here: the file's format, UBJSON with counted and typed arrays, as xgboost writes it. Does not belong here: predicting
(`compiled_trees.py`). Importing xgboost takes longer than everything else that an explanation does.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}


class BoosterFileError(ValueError):
    """Bytes that are no model of xgboost in the format that is known here."""


def read_booster_file(content: bytes) -> dict[str, Any]:
    """A model as xgboost's own JSON would say it; typed arrays are numpy's.

    Raises:
        BoosterFileError: the bytes are something else.
    """
    try:
        document, end = _value(content, 1, chr(content[0]))
    except (IndexError, KeyError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise BoosterFileError(f"this is no xgboost model in UBJSON: {error!r}") from error
    if end != len(content) or not isinstance(document, dict) or "learner" not in document:
        raise BoosterFileError("this is no xgboost model in UBJSON: it holds no learner, or goes on after it")
    return document


def _value(content: bytes, at: int, kind: str) -> tuple[Any, int]:
    """The value of a kind that begins at a place, and where it ends."""
    if kind == "{":
        return _object(content, at)
    if kind == "[":
        return _array(content, at)
    if kind == "S":
        return _text(content, at)
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at
    dtype = np.dtype(_NUMBERS[kind])
    return np.frombuffer(content, dtype, 1, at)[0].item(), at + dtype.itemsize


def _object(content: bytes, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while content[at : at + 1] != b"}":
        name, at = _text(content, at)
        found[name], at = _value(content, at + 1, chr(content[at]))
    return found, at + 1


def _array(content: bytes, at: int) -> tuple[Any, int]:
    kind = ""
    if content[at : at + 1] == b"$":
        kind, at = chr(content[at + 1]), at + 2
    if content[at : at + 1] != b"#":
        raise ValueError("an array without a count")
    count, at = _value(content, at + 2, chr(content[at + 1]))
    if kind:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(content, dtype, count, at).astype(dtype.newbyteorder("=")), at + count * dtype.itemsize
    items = []
    for _ in range(count):
        item, at = _value(content, at + 1, chr(content[at]))
        items.append(item)
    return items, at


def _text(content: bytes, at: int) -> tuple[str, int]:
    length, at = _value(content, at + 1, chr(content[at]))
    return content[at : at + length].decode(), at + length
