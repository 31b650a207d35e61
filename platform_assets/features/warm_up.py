"""Compile what the features need before it is needed.

    python -m platform_assets.features.warm_up

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


@contextmanager
def compiled_meanwhile() -> Iterator[None]:
    """Compile in a process of its own while the block runs; whoever needs the loops before it is done compiles them as well."""
    process = subprocess.Popen(
        [sys.executable, "-m", "platform_assets.features.warm_up"],
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
    for name in ("machine_code", "grouping", "as_of_search"):
        import_module(f"platform_assets.features.{name}")


if __name__ == "__main__":
    main()
