"""Doing one thing ahead and one behind: order, errors, and nothing left running."""

import threading

import pytest

from platform_assets.lake.read_ahead import WriteBehind, read_ahead


def test_parts_come_in_order_and_the_next_is_read_meanwhile() -> None:
    second_is_read = threading.Event()

    def read(number: int) -> int:
        if number == 1:
            second_is_read.set()
        return number * 10

    parts = read_ahead(range(4), read)
    assert next(parts) == (0, 0)
    assert second_is_read.wait(5), "the second part is read while the first is worked on"
    assert list(parts) == [(1, 10), (2, 20), (3, 30)]
    assert list(read_ahead([], read)) == []


def test_an_error_is_raised_at_its_turn() -> None:
    def read(number: int) -> int:
        if number == 2:
            raise ValueError("part 2")
        return number

    parts = read_ahead(range(5), read)
    assert [next(parts), next(parts)] == [(0, 0), (1, 1)], "what came before the broken part is worked on"
    with pytest.raises(ValueError, match="part 2"):
        next(parts)


def test_work_is_done_in_order_and_waited_for() -> None:
    done: list[int] = []
    with WriteBehind() as behind:
        for number in range(5):
            behind(lambda number=number: done.append(number))
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("is_last", [True, False])
def test_an_error_behind_is_raised(is_last: bool) -> None:
    def fail() -> None:
        raise OSError("disk full")

    done: list[str] = []

    def work() -> None:
        with WriteBehind() as behind:
            behind(fail)
            if not is_last:
                behind(lambda: done.append("after"))

    with pytest.raises(OSError, match="disk full"):
        work()
    assert done == [], "nothing is done after a piece that failed"
