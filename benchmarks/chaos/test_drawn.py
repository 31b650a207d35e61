"""Which accidents happen: the same for a seed, every kind among them."""

import contextlib
from collections.abc import Iterator
from typing import Any

from benchmarks.chaos.accidents import Accident
from benchmarks.chaos.topic import Happened, _topic, drawn


@contextlib.contextmanager
def nothing(*_: Any) -> Iterator[None]:
    yield


KINDS = [Accident(name, name != "disk", "", nothing) for name in ("service", "proxy", "disk", "store", "watcher")]


def names(seed: int, count: int) -> list[list[str]]:
    return [[one.name for one in accidents] for accidents, _ in drawn(KINDS, seed, count)]


def test_a_seed_draws_the_same_accidents_and_every_kind() -> None:
    assert names(3, 40) == names(3, 40) != names(4, 40)
    assert {first for first, *_ in names(3, 5)} == {one.name for one in KINDS}
    assert 0 < sum(len(one) == 2 for one in names(3, 40)) < 30


def test_what_did_not_hold_is_a_missed_bar() -> None:
    good = Happened("service killed", True, [], "answers", True, 0.5, True)
    bad = Happened("disk full", False, [], "answers", False, None, False)
    kept = [bar.kept for bar in _topic([good, bad], 1, 5.0, missing=1, total=9, kinds=3).bars]
    assert kept == [False] * 6
