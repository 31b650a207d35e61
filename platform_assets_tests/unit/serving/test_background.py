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
