"""Counters that go on where the process before them ended, however it ended.

Belongs here: keeping counters and histograms of one process in files, and the page made of them. Does not belong here: what is counted
(`metrics.py`), or the page of several processes (`platform_assets/deployment/local/doors/`).

A counter in memory begins at 0 with each start: a sum over processes drops, and what was counted between the last scrape and the end is
lost. `prometheus_client` can keep values in files that are mapped into memory, one for each process id, so that several processes add up;
under a name that stays, a process that was killed is followed by one that goes on counting in the same file. A process manager starts the
next one when the one before has ended; two at a time would count over each other. Gauges say what is now: they begin anew.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import Metric

NAME = "kept"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Read by `prometheus_client` where it opens a file; Feast sets it to a folder of its own where nobody has."""
COUNTED = ("counter", "histogram", "summary")


def keep_counts(folder: Path) -> None:
    """Have every metric that is made from now on kept in a folder, and go on where it stands there.

    A file that a power cut left damaged is removed: its counts begin at 0 again.

    Args:
        folder: of this process alone; made when missing.
    """
    from prometheus_client import values

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        if path.name.startswith("gauge_") or not _is_readable(path):
            path.unlink()
    os.environ[VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: NAME)  # type: ignore[no-untyped-call]


def _is_readable(path: Path) -> bool:
    try:
        (used,) = struct.unpack_from("i", path.read_bytes())
        if not 0 <= used <= path.stat().st_size:
            raise ValueError(f"{used} bytes are said to be used")
        _merged([path])
    except (ValueError, RuntimeError, KeyError, TypeError, IndexError, struct.error, OSError) as error:
        # Asked for here: BentoML's configuration silences loggers that exist before it.
        logging.getLogger("serving").warning("the counts in %s cannot be read and begin at 0 again: %s", path, error)
        return False
    return True


def _merged(paths: Iterable[Path]) -> Iterable[Metric]:
    from prometheus_client.multiprocess import MultiProcessCollector

    families: Iterable[Metric] = MultiProcessCollector.merge([str(path) for path in paths])  # type: ignore[no-untyped-call]
    return families


def kept_page(folder: Path, registry: Any = None) -> bytes:
    """The page of a process whose counts are kept: those from the files, series included that were not counted since the start.

    Args:
        folder: as given to `keep_counts`.
        registry: of the process; default is its own. What no file can hold, such as its memory, comes from there.
    """
    import prometheus_client

    own = prometheus_client.REGISTRY if registry is None else registry
    return prometheus_client.generate_latest(_Families(folder, own))


class _Families:
    """What `generate_latest` needs of a registry."""

    def __init__(self, folder: Path, registry: Any) -> None:
        self._folder, self._registry = folder, registry

    def collect(self) -> Iterator[Metric]:
        kept = {family.name: family for family in _counted(_merged(self._folder.glob("*.db")))}
        yield from kept.values()
        yield from (family for family in self._registry.collect() if family.name not in kept)


def _counted(families: Iterable[Metric]) -> Iterator[Metric]:
    for family in families:
        if family.type in COUNTED:
            # A reader of the text expects the buckets before sum and count.
            family.samples.sort(key=lambda sample: not sample.name.endswith("_bucket"))
            yield family
