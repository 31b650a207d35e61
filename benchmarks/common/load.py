"""A load from a process of its own, so that the client is not slowed by what the benchmark does meanwhile.

Belongs here: starting, ending and reading back `benchmarks.common.load_client`. Does not belong here: sending requests.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.common.load_client import LoadResult
from platform_assets.testing.child_process import ROOT, child_result

WARM_UP = 50
MARGIN_SECONDS = 60.0


class Load:
    """A load under way: it ends by itself when its requests are sent, or when it is told to."""

    def __init__(self, process: subprocess.Popen[str], until: Path, longest_seconds: float) -> None:
        self._process, self._until, self._longest_seconds = process, until, longest_seconds

    @property
    def under_way(self) -> bool:
        """Whether requests are still being sent."""
        return self._process.poll() is None

    def result(self) -> LoadResult:
        """Wait until all requests are sent; what became of them.

        Raises:
            ChildFailed: the client ended without a result.
        """
        output, errors = self._process.communicate(timeout=self._longest_seconds)
        # The client ends with 1 when a request failed, which is a result all the same.
        return LoadResult(
            **child_result("benchmarks.common.load_client", min(self._process.returncode, 0), output, errors)
        )

    def stop(self) -> LoadResult:
        """Send nothing more; what became of the requests sent.

        Raises:
            ChildFailed: the client ended without a result.
        """
        self._until.touch()
        return self.result()


@contextlib.contextmanager
def load(
    address: str, declaration: Path, bodies: Sequence[bytes], rate_per_second: float, warm_up: int = WARM_UP
) -> Iterator[Load]:
    """Start a load on `address`, past its warm-up; at the end of the block no client is left.

    Args:
        address: base URL without the use case's path.
        declaration: folder of the use case.
        bodies: JSON bodies; each is sent once.
        rate_per_second: how many are due per second.
        warm_up: how many of them are left out of the result.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-bench-") as scratch:
        events, started, until = (Path(scratch) / name for name in ("events.jsonl", "started", "until"))
        events.write_bytes(b"\n".join(bodies) + b"\n")
        command = [
            sys.executable,
            "-m",
            "benchmarks.common.load_client",
            "--address",
            address,
            "--use-case",
            str(declaration),
        ]
        command += ["--events", str(events), "--started", str(started), "--until", str(until)]
        command += ["--rate", str(rate_per_second)]
        command += ["--count", str(len(bodies) - warm_up), "--warm-up", str(warm_up)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                while not started.exists() and process.poll() is None:
                    time.sleep(0.01)
                yield Load(process, until, len(bodies) / rate_per_second + MARGIN_SECONDS)
            finally:
                if process.poll() is None:
                    process.kill()
