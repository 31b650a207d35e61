"""A clock says what time it is; a simulated one is shared by a file and never goes back."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from platform_assets.declaration.clock import ClockError, SimulatedClock, SystemClock

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_the_machines_time_is_utc_and_goes_on() -> None:
    first = SystemClock().now()
    assert first.tzinfo == UTC
    assert SystemClock().now() >= first


def test_a_simulated_time_is_seen_by_whoever_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "below" / "clock"
    SimulatedClock(path).move(NOON.astimezone(timezone(timedelta(hours=5))))
    assert SimulatedClock(path).now() == NOON
    assert SimulatedClock(path).now().tzinfo == UTC
    SimulatedClock(path).move(NOON + timedelta(days=1))
    assert SimulatedClock(path).now() == NOON + timedelta(days=1)
    assert [one.name for one in path.parent.iterdir()] == ["clock"]


def test_a_simulated_time_does_not_go_back(tmp_path: Path) -> None:
    clock = SimulatedClock(tmp_path / "clock")
    clock.move(NOON)
    with pytest.raises(ClockError, match="does not go back"):
        clock.move(NOON - timedelta(seconds=1))
    assert clock.now() == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2024-03-01T12:00:00"])
def test_a_file_without_a_time_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clock"
    path.write_text(text)
    with pytest.raises(ClockError, match=str(path)):
        SimulatedClock(path).now()


def test_a_time_without_an_offset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="no offset"):
        SimulatedClock(tmp_path / "clock").move(datetime(2024, 3, 1))
