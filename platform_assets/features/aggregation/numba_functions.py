"""How functions of ours are handed to numba: types of their arguments, and the decorator.

Belongs here: what every compiled module needs. Does not belong here: any compiled function: numba's cache on disk is made anew only when
the file of the function itself changes, so what calls each other stands in one file. Imports numba:
import this module inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types

_CALLABLE = Callable[..., Any]


def read_only(item: Any, dimensions: int = 1) -> Any:
    """The type of a read-only array; writable ones convert to it."""
    return types.Array(item, dimensions, "C", readonly=True)


def read_only_table(item: Any) -> Any:
    """The type of a read-only table."""
    return read_only(item, 2)


INTEGERS = read_only(types.int64)


def compiled(*signature: Any) -> Callable[[_CALLABLE], _CALLABLE]:
    """numba's decorator; cached on disk where there is a folder for it (not in a read-only container)."""

    def decorate(function: _CALLABLE) -> _CALLABLE:
        try:
            return numba.njit(*signature, cache=True, nogil=True)(function)  # type: ignore[no-any-return]
        except RuntimeError:
            return numba.njit(*signature, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate
