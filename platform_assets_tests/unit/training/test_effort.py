"""Parts of a training share the CPU of their process: none is counted twice, also where they run side by side."""

import threading
import time

import pytest

from platform_assets.training.effort import Effort, EffortMeter


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_laps_of_a_part_are_the_work_between_them() -> None:
    with EffortMeter().part() as part:
        burn(0.05)
        first = part.lap()
        second = part.lap()
    assert first.cpu_seconds >= 0.05
    assert second.cpu_seconds < 0.05


def test_parts_side_by_side_never_take_more_than_the_process() -> None:
    meter, taken = EffortMeter(), list[Effort]()

    def trial() -> None:
        with meter.part() as part:
            burn(0.05)
            taken.append(part.lap())

    before = time.process_time()
    threads = [threading.Thread(target=trial) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = time.process_time() - before
    together = sum(one.cpu_seconds for one in taken)
    assert len(taken) == 3
    assert 0.15 <= together <= whole + 1e-6


def test_a_part_that_fails_is_left() -> None:
    meter = EffortMeter()
    with pytest.raises(ValueError, match="as planted"), meter.part():
        raise ValueError("as planted")
    with meter.part() as part:
        burn(0.02)
        assert part.lap().cpu_seconds >= 0.02
