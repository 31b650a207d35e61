"""Scikit-learn estimators on disk: skops, made byte for byte the same for the same estimator.

Belongs here: writing and reading estimators and which of their types are trusted. Does not belong here: fitting and predicting.

skops names its members by `id(object)`, stamps them with the time, and writes a tree's node array with its unset padding bytes, so
two dumps of one estimator differ. What it wrote is therefore rewritten: ids in order of appearance, padding zeroed, times fixed.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

TRUSTED_TYPES = ("sklearn.tree._tree.Tree",)
"""Types beyond skops' own defaults that our learners consist of; a file with any other is refused."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_SCHEMA = "schema.json"


_LIBRARY = "sklearn."


class UnsavableError(ValueError):
    """An estimator that cannot be written down without pickle; the message names what it holds."""


def write_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted scikit-learn estimator to `path`, the same bytes for the same estimator.

    Raises:
        UnsavableError: skops cannot write it.
    """
    path.write_bytes(_canonical(_dumped(estimator)))


def read_estimator(path: Path, *, any_of_the_library: bool = False) -> Any:
    """Read an estimator back; only skops' defaults and `TRUSTED_TYPES` are constructed.

    Args:
        path: what `write_estimator` wrote.
        any_of_the_library: construct every type of scikit-learn.

    Raises:
        skops.io.exceptions.UntrustedTypesFoundException: the file holds another type.
    """
    import skops.io

    trusted = list(TRUSTED_TYPES)
    if any_of_the_library:
        trusted += [name for name in skops.io.get_untrusted_types(file=path) if name.startswith(_LIBRARY)]
    return skops.io.load(path, trusted=trusted)


def require_savable(estimator: Any) -> None:
    """Refuse a fitted estimator that could not be written down and read back without pickle.

    Raises:
        UnsavableError: naming what it holds.
    """
    import skops.io

    foreign = [name for name in skops.io.get_untrusted_types(data=_dumped(estimator)) if not name.startswith(_LIBRARY)]
    if foreign:
        raise UnsavableError(f"{type(estimator).__name__} holds {', '.join(foreign)}, which only pickle could write")


def _dumped(estimator: Any) -> bytes:
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        return bytes(skops.io.dumps(estimator))
    except (UnsupportedTypeException, TypeError, AttributeError) as error:
        raise UnsavableError(f"{type(estimator).__name__} cannot be written without pickle: {error}") from error


def _canonical(archive: bytes) -> bytes:
    """The same skops archive with what depends on the process or the clock taken out."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = json.loads(source.read(_SCHEMA))
        names: dict[str, str] = {}
        _renumber(schema, {}, names)
        members = {names[old]: _without_padding(source.read(old)) for old in names}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive_out:
        for name in sorted(members):
            archive_out.writestr(_member(name), members[name])
        archive_out.writestr(_member(_SCHEMA), json.dumps(schema).encode())
    return target.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    """Replace ids by their order of appearance and member names by theirs, in place.

    A literal gets a number of its own each time: whether Python shares two equal literals is its own business.
    """
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, names)
        return
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        literal = node.get("__loader__") == "JsonNode"
        known = None if literal else ids.get(node["__id__"])
        number = len(ids) + 1 if known is None else known
        ids[-number if literal else node["__id__"]] = number
        node["__id__"] = number
    if isinstance(node.get("file"), str) and "__loader__" in node:
        old = node["file"]
        names.setdefault(old, f"{len(names):06d}{Path(old).suffix}")
        node["file"] = names[old]
    for key in node:
        if key not in ("__id__", "file"):
            _renumber(node[key], ids, names)


def _without_padding(member: bytes) -> bytes:
    """A .npy member whose structured dtype has padding, with the padding zeroed; anything else unchanged."""
    if not member.startswith(b"\x93NUMPY"):
        return member
    array = np.load(io.BytesIO(member), allow_pickle=False)
    if array.dtype.names is None:
        return member
    clean = np.zeros(array.shape, dtype=array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()
