"""Compile what the features need before it is needed.

    python -m platform_assets.features.aggregation.compilation

Belongs here: loading the compiled loops once, so that numba's cache on disk holds them (seconds the first time, half a second later):
in an image while it is built, in `platform-assets run` while data is loaded. Does not belong here: the loops.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from platform_assets.features.feast_import import without_runtime_type_checks

_STOP_SECONDS = 5.0

COMPILED = (
    "platform_assets.features.aggregation.compiled_loops",
    "platform_assets.features.aggregation.grouping",
    "platform_assets.features.offline.as_of_search",
)
"""Modules whose import compiles their loops."""


@contextmanager
def compiled_meanwhile(modules: Sequence[str] = COMPILED) -> Iterator[None]:
    """Compile in a process of its own while the block runs; whoever needs the loops before it is done compiles them as well.

    Args:
        modules: in the order in which they are needed. Others than `COMPILED` are imported there, which compiles all that they import,
            where they have no bytecode.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "platform_assets.features.aggregation.compilation", *modules],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def has_bytecode(name: str) -> bool:
    """Whether an installed module was compiled before; True where there is no such module, or where nothing can be kept."""
    found = find_spec(name)
    if found is None or found.cached is None or found.origin is None or sys.dont_write_bytecode:
        return True
    return Path(found.cached).exists() or not os.access(Path(found.origin).parent, os.W_OK)


def main() -> None:
    """Load the modules; the explicit signatures of their loops compile them."""
    gc.disable()  # hardly anything that an import makes is garbage
    with without_runtime_type_checks():
        for name in sys.argv[1:] or COMPILED:
            if name in COMPILED or not has_bytecode(name):
                import_module(name)
    gc.freeze()  # nor is it when this process ends: looking for it would take as long as one of the imports


if __name__ == "__main__":
    main()
