"""How far a run is: step n of m, and about how long it takes still.

Belongs here: counting, and what earlier runs in the same home took. Does not belong here: which jobs there are
(`pipelines/run_visits.py`), or doing them (`journey.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from platform_assets.cli.console import step
from platform_assets.pipelines.due import DueJob

FILE = Path("logs") / "step_seconds.json"


@dataclass
class RunProgress:
    """A run on its way.

    Attributes:
        ahead: the jobs that were foreseen and are not done.
        seconds: what a day of each job took the last time; of a job without days, the job.
        file: where these are kept.
        done: steps that are over.
    """

    ahead: Counter[str]
    seconds: dict[str, float]
    file: Path | None = None
    done: int = 0
    _units: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, jobs: Sequence[DueJob], home: Path) -> RunProgress:
        """A run that has these jobs before it."""
        file = home / FILE
        progress = cls(Counter(job.job for job in jobs), _read(file), file)
        for job in jobs:
            progress._units[job.job] += _size(job)
        return progress

    @contextmanager
    def step(self, title: str, job: DueJob) -> Iterator[None]:
        """A job of the run, with its place among all of them."""
        started = monotonic()
        with step(f"{title} [dim]{self._place()}[/]"):
            yield
        self.done += 1
        self.ahead[job.job] -= 1
        self._units[job.job] -= _size(job)
        self.seconds[job.job] = (monotonic() - started) / _size(job)
        self._keep()

    def _place(self) -> str:
        """`3 of 17, about 2 min left`: without the time where some step has never been seen."""
        left = sum(count for count in self.ahead.values() if count > 0)
        place = f"{self.done + 1} of {self.done + max(1, left)}"
        waiting = {job: units for job, units in self._units.items() if units > 0}
        if not waiting or any(job not in self.seconds for job in waiting):
            return place
        return f"{place}, about {in_words(sum(self.seconds[job] * units for job, units in waiting.items()))} left"

    def _keep(self) -> None:
        if self.file is not None and self.file.parent.parent.is_dir():
            self.file.parent.mkdir(exist_ok=True)
            self.file.write_text(json.dumps(self.seconds, indent=1), encoding="utf-8")


def _size(job: DueJob) -> int:
    return 1 if job.days is None else len(job.days.days)


def _read(file: Path) -> dict[str, float]:
    """What earlier steps took; nothing where the file is not there or no longer readable."""
    try:
        return {str(job): float(seconds) for job, seconds in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def in_words(seconds: float) -> str:
    """A time for people: `40 s`, `3 min`."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
