"""A store that does not answer: told apart from all other errors, and not waited for by every request."""

import sqlite3
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionLost

import serving.online as online_module
from serving.online import StoreUnavailable, _Guarded


class Store:
    """Answers, or raises what it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    def vector(self, event: Any) -> str:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return "features"

    def without_history(self, event: Any) -> str:
        return "no history"


@pytest.mark.parametrize("error", [sqlite3.OperationalError("locked"), OSError("gone"), ConnectionLost("refused")])
def test_every_client_s_outage_is_one_error(error: Exception) -> None:
    store = Store()
    guarded = _Guarded(store)
    store.error = error
    with pytest.raises(StoreUnavailable, match=str(error)):
        guarded.vector({})


def test_other_errors_are_not_outages() -> None:
    store = Store()
    store.error = KeyError("a fault of ours")
    with pytest.raises(KeyError):
        _Guarded(store).vector({})


def test_after_an_outage_the_store_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(online_module.time, "monotonic", lambda: now[0])
    store = Store()
    guarded = _Guarded(store)
    store.error = OSError("gone")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            guarded.vector({})
    assert store.asked == 1
    assert guarded.without_history({}) == "no history"
    store.error, now[0] = None, 101.1
    assert guarded.vector({}) == "features"
