"""Compile what the features need before it is needed.

    python -m platform_assets.features.aggregation.compilation

Belongs here: loading the compiled loops once, so that numba's cache on disk holds them (seconds the first time, half a second later):
in an image while it is built, in `platform-assets run` while data is loaded. Does not belong here: the loops.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_STOP_SECONDS = 5.0

COMPILED = (
    "platform_assets.features.aggregation.compiled_loops",
    "platform_assets.features.aggregation.grouping",
    "platform_assets.features.offline.as_of_search",
)
"""Modules whose import compiles their loops."""


@contextmanager
def compiled_meanwhile() -> Iterator[None]:
    """Compile in a process of its own while the block runs; whoever needs the loops before it is done compiles them as well."""
    process = subprocess.Popen(
        [sys.executable, "-m", "platform_assets.features.aggregation.compilation"],
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


def main() -> None:
    """Load the modules; their explicit signatures compile them."""
    for name in COMPILED:
        import_module(name)


if __name__ == "__main__":
    main()
