"""Credentials by name, and connections that are lost."""

from collections.abc import Callable

import pytest

from platform_assets.connectors import Access, SourceError
from platform_assets.connectors.access import ATTEMPTS, with_patience
from platform_assets.declaration import Source


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.connectors.access._FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("platform_assets.connectors.access._LONGEST_PAUSE_SECONDS", 0.002)


class Flaky:
    """Loses its connection a number of times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


def is_lost(error: BaseException) -> bool:
    return isinstance(error, ConnectionError)


def test_a_lost_connection_is_tried_again() -> None:
    assert with_patience(Flaky(ATTEMPTS - 1, ConnectionError()), is_lost) == ATTEMPTS


def test_patience_ends() -> None:
    read = Flaky(ATTEMPTS, ConnectionError("gone"))
    with pytest.raises(ConnectionError, match="gone"):
        with_patience(read, is_lost)
    assert read.calls == ATTEMPTS


def test_what_will_not_change_is_not_tried_again() -> None:
    read = Flaky(1, ValueError("no such table"))
    with pytest.raises(ValueError, match="no such table"):
        with_patience(read, is_lost)
    assert read.calls == 1


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_variable_is_named(make_orders: Callable[..., Source], value: str | None) -> None:
    access = Access(variables={} if value is None else {"SHOP_DATABASE": value})
    with pytest.raises(SourceError, match=r"SHOP_DATABASE, named by connector\.url, is not set"):
        access.variable(make_orders(), "url", "SHOP_DATABASE")
