"""A meter's laps add up to the process."""

import subprocess
import sys
import time

from platform_assets.monitoring.cost.meter import Meter


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_laps_are_the_work_between_them() -> None:
    with Meter() as meter:
        burn(0.05)
        first = meter.lap()
        second = meter.lap()
        burn(0.1)
        third = meter.lap()
    assert first.cpu_seconds >= 0.05
    assert second.cpu_seconds < 0.05
    assert third.cpu_seconds >= 0.1
    assert third.gigabyte_seconds > 0


def test_a_child_that_ended_counts() -> None:
    with Meter() as meter:
        subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
        lap = meter.lap()
    assert lap.cpu_seconds > 0.02
