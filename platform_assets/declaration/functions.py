"""Python functions that a declaration names: where they are, and the source that is part of the feature contract.

Belongs here: finding a function's module without running it. Does not belong here: calling it (`features/functions.py`).
"""

from __future__ import annotations

import ast
import hashlib
from importlib.util import find_spec
from pathlib import Path


class FunctionNotFound(ValueError):
    """A declaration names a function that is not there; the message says what was looked for, and where."""


def function_source(path: str) -> str:
    """Source of the module that a function of the form `module:function` is in.

    Raises:
        FunctionNotFound: there is no such module, it has no source, or no such function at its top level.
    """
    module, _, name = path.partition(":")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError) as error:
        raise FunctionNotFound(f"there is no module {module!r}: {error}") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise FunctionNotFound(
            f"there is no module {module!r}: put it into the use case's folder and name it from the package on, for "
            "example `platform_assets.defs.machines.functions:distance`"
        )
    source = Path(spec.origin).read_text(encoding="utf-8")
    try:
        defined = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    except SyntaxError as error:
        raise FunctionNotFound(f"module {module!r} ({spec.origin}) is not Python: {error}") from error
    if name not in defined:
        raise FunctionNotFound(f"module {module!r} ({spec.origin}) defines no function {name!r}; it defines {defined}")
    return source


def source_digest(path: str) -> str:
    """SHA-256 of the module's source, the first 16 hexadecimal digits; comments count, line endings do not.

    Raises:
        FunctionNotFound: as `function_source`.
    """
    return hashlib.sha256(function_source(path).replace("\r\n", "\n").encode()).hexdigest()[:16]
