"""Work behind the answer: in order, counted when lost, never in the way."""

import threading

from serving.background import Background


def test_tasks_run_in_order_and_close_waits_for_them() -> None:
    done: list[int] = []
    queue = Background("test", capacity=100)
    for number in range(50):
        assert queue.submit(done.append, number)
    assert queue.close(timeout_seconds=5) == 0
    assert done == list(range(50))


def test_a_full_queue_drops_and_counts() -> None:
    go, drops = threading.Event(), []
    queue = Background("test", capacity=2, on_drop=lambda: drops.append(1))
    assert queue.submit(go.wait)
    assert queue.submit(int)
    assert not queue.submit(int)
    assert not queue.submit(int)
    assert queue.dropped == len(drops) == 2
    go.set()
    assert queue.close(timeout_seconds=5) == 0


def test_a_failure_is_counted_and_the_next_task_runs() -> None:
    done: list[str] = []
    failures: list[int] = []
    queue = Background("test", capacity=10, on_failure=lambda: failures.append(1))
    queue.submit(int, "not a number")
    queue.submit(done.append, "next")
    queue.close(timeout_seconds=5)
    assert done == ["next"]
    assert queue.failed == len(failures) == 1


def test_close_gives_up_and_tells_how_many() -> None:
    go = threading.Event()
    queue = Background("test", capacity=10)
    for _ in range(3):
        queue.submit(go.wait)
    assert queue.close(timeout_seconds=0.05) == 3
    go.set()


def test_a_closed_queue_refuses_and_counts_and_frees_its_slot() -> None:
    drops: list[int] = []
    queue = Background("test", capacity=1, on_drop=lambda: drops.append(1))
    queue.close(timeout_seconds=1)
    assert [queue.submit(int) for _ in range(3)] == [False, False, False]
    assert queue.dropped == len(drops) == 3


def test_what_waits_for_one_task_is_done_together_and_in_order() -> None:
    go, calls = threading.Event(), list[list[int]]()
    queue = Background("test", capacity=500)

    def take(numbers: list[int]) -> list[Exception | None]:
        calls.append(numbers)
        return [None] * len(numbers)

    queue.submit(go.wait)
    for number in range(100):
        assert queue.submit_to(take, number)
    assert queue.waiting == 101
    go.set()
    assert queue.close(timeout_seconds=5) == 0
    assert calls == [list(range(64)), list(range(64, 100))]
    assert queue.waiting == 0


def test_what_fails_of_several_is_counted_one_by_one() -> None:
    go, failures = threading.Event(), list[int]()
    queue = Background("test", capacity=50, on_failure=lambda: failures.append(1))
    queue.submit(go.wait)

    def odd_ones(numbers: list[int]) -> list[Exception | None]:
        return [ValueError(number) if number % 2 else None for number in numbers]

    for number in range(5):
        queue.submit_to(odd_ones, number)

    def broken(numbers: list[int]) -> list[Exception | None]:
        raise RuntimeError("all of them")

    for number in range(3):
        queue.submit_to(broken, number)
    go.set()
    assert queue.close(timeout_seconds=5) == 0
    assert queue.failed == len(failures) == 2 + 3


def test_a_closed_queue_takes_nothing_for_a_task_either() -> None:
    queue = Background("test", capacity=1)
    queue.close(timeout_seconds=1)
    assert [queue.submit_to(lambda items: [None], 1) for _ in range(3)] == [False, False, False]
    assert queue.waiting == 0
