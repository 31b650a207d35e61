"""Days without events: closed by the calendar, free to be empty, or accepted by a person; every other empty day is refused."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors.errors import NothingDelivered, SourceError
from platform_assets.declaration.days import DayRange
from platform_assets.lake.written_days import absent_days
from platform_assets.pipelines.acceptances import (
    DayAcceptanceError,
    accept,
    accepted_days,
    days_without_events,
    decisions,
    undo,
)
from platform_assets.pipelines.publish import judged_day
from platform_assets_tests.unit.pipelines.file_days import MONDAY, FileDays, sales

BROKEN = {"freshness", "refused_ratio", "volume"}
"""What 15 good and 2 bad sales of the morning break, where 60 of the whole day were usual."""
SUNDAY = MONDAY + timedelta(days=6)
CLOSED_SUNDAYS = {"weekdays": ["mon", "tue", "wed", "thu", "fri", "sat"]}


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., FileDays]:
    return lambda **source: FileDays(tmp_path, **source)


def accept_day(shop: FileDays, day: date, **how: Any) -> None:
    result, delivered = judged_day(shop.catalog, shop.source, day)
    accept(shop.catalog, shop.source, day, result.failed_rules, delivered, **{"who": "ann", "why": "flood", **how})


@pytest.mark.parametrize(
    ("sunday", "calendar"),
    [(None, CLOSED_SUNDAYS), (0, CLOSED_SUNDAYS), (None, "any"), (0, {"holidays": [SUNDAY.isoformat()]})],
)
def test_a_closed_day_loads_alone_and_in_a_range_without_a_file_or_with_a_header(
    world: Callable[..., FileDays], sunday: int | None, calendar: Any
) -> None:
    shop = world(calendar=calendar)
    last = shop.deliver(MONDAY, [60] * 6 + [sunday] + [60] * 2)
    assert shop.load_and_publish(MONDAY, last).passed
    alone = shop.load_and_publish(SUNDAY)
    assert alone.passed
    assert list(alone.days_without_events) == [SUNDAY]
    assert SUNDAY not in shop.published()
    assert absent_days(shop.catalog.events.stored, MONDAY, last) == []
    assert len(shop.published()) == 8
    assert list(days_without_events(shop.catalog, DayRange(SUNDAY, SUNDAY))) == [SUNDAY]
    [entry] = shop.catalog.events.stored.history(1)
    assert json.loads(entry.metadata["days_without_events"]) == {SUNDAY.isoformat(): "by the calendar"}


def test_a_file_without_a_byte_is_right_on_a_closed_day_only(world: Callable[..., FileDays]) -> None:
    shop = world(calendar=CLOSED_SUNDAYS)
    shop.deliver(MONDAY, [6])
    (shop.folder / f"{SUNDAY}.csv").write_bytes(b"")
    assert shop.load_and_publish(SUNDAY).passed
    (shop.folder / f"{MONDAY}.csv").write_bytes(b"")
    with pytest.raises(SourceError, match="not even a header"):
        shop.load(MONDAY)


def test_the_very_first_day_may_be_closed(world: Callable[..., FileDays]) -> None:
    shop = world(calendar=CLOSED_SUNDAYS)
    shop.deliver(SUNDAY, [None, 60])
    assert shop.load_and_publish(SUNDAY).passed
    assert shop.load_and_publish(SUNDAY, SUNDAY + timedelta(days=1)).passed
    assert shop.published() == {SUNDAY + timedelta(days=1): 60}


def test_without_a_calendar_a_day_without_a_file_is_missing(world: Callable[..., FileDays]) -> None:
    shop = world()
    shop.deliver(MONDAY, [60] * 6)
    with pytest.raises(NothingDelivered, match="no csv file"):
        shop.load(SUNDAY)
    assert shop.load_and_publish(MONDAY, SUNDAY).refused_days == (SUNDAY,)
    assert days_without_events(shop.catalog, DayRange(MONDAY, SUNDAY)) == {}


def test_an_open_day_is_missing_whatever_the_calendar_says_of_others(world: Callable[..., FileDays]) -> None:
    shop = world(calendar=CLOSED_SUNDAYS)
    shop.deliver(MONDAY, [60, None, 60, 60, 60, 60])
    assert shop.load_and_publish(MONDAY, SUNDAY).refused_days == (MONDAY + timedelta(days=1),)
    with pytest.raises(NothingDelivered):
        shop.load(MONDAY + timedelta(days=1))


def test_rows_on_a_closed_day_are_refused(world: Callable[..., FileDays]) -> None:
    shop = world(calendar=CLOSED_SUNDAYS)
    shop.deliver(MONDAY, [60] * 7)
    load = shop.load_and_publish(MONDAY, SUNDAY)
    assert [rule.rule for rule in load.failed_rules] == ["closed_day"]
    assert "60 rows were delivered for a Sunday" in load.failed_rules[0].explanation


def test_closed_days_are_no_history_for_the_volume_of_open_ones(world: Callable[..., FileDays]) -> None:
    shop = world(calendar="any")
    last = shop.deliver(MONDAY, ([0] + [60] * 6) * 3 + [60])
    assert shop.load_and_publish(MONDAY, last).passed
    few = shop.deliver(last + timedelta(days=1), [20])
    assert "volume" in [rule.rule for rule in shop.load_and_publish(few).failed_rules]


def test_an_empty_day_is_accepted_and_loads_again_later(world: Callable[..., FileDays]) -> None:
    shop = world()
    shop.deliver(MONDAY, [60] * 6)
    assert not shop.load_and_publish(MONDAY, SUNDAY).passed
    accept_day(shop, SUNDAY)
    load = shop.load_and_publish(SUNDAY)
    assert load.passed
    assert load.days_without_events[SUNDAY].startswith("ann on ")
    assert "flood" in load.accepted_rules[0].explanation
    assert "flood" in days_without_events(shop.catalog, DayRange(SUNDAY, SUNDAY))[SUNDAY]
    [entry] = shop.catalog.events.stored.history(1)
    assert "flood" in entry.metadata["accepted_rules"]


def test_a_day_refused_for_its_volume_is_accepted_for_these_rows_only(world: Callable[..., FileDays]) -> None:
    shop = world()
    last = shop.deliver(MONDAY, [60] * 15 + [20])
    assert shop.load_and_publish(MONDAY, last).refused_days == (last,)
    accept_day(shop, last)
    assert shop.publish(last).passed
    assert shop.published()[last] == 20
    assert shop.load_and_publish(last).passed, "the same rows delivered again"
    shop.write(f"{last}.csv", sales(last, 19))
    again = shop.load_and_publish(last)
    assert again.refused_days == (last,)
    assert not again.accepted_rules
    assert shop.published()[last] == 20, "what was published before is unchanged"


def test_an_acceptance_ends_and_can_be_taken_back(world: Callable[..., FileDays]) -> None:
    shop = world()
    last = shop.deliver(MONDAY, [60] * 15 + [20])
    shop.load_and_publish(MONDAY, last)
    today = datetime.now(UTC).date()
    accept_day(shop, last, until=today)
    assert list(accepted_days(shop.catalog, "events")) == [last]
    assert accepted_days(shop.catalog, "events", today=today + timedelta(days=1)) == {}
    assert shop.publish(last).passed
    held = undo(shop.catalog, shop.source, last, who="bob", why="half of it is missing")
    assert held.who == "ann"
    assert last not in shop.published()
    assert absent_days(shop.catalog.events.stored, MONDAY, last) == [last], "withdrawn, not empty"
    assert shop.publish(last).refused_days == (last,)
    with pytest.raises(DayAcceptanceError, match="nothing to take back"):
        undo(shop.catalog, shop.source, last, who="bob", why="again")
    assert [(line["action"], line["who"]) for line in decisions(shop.catalog, "events")] == [
        ("accept", "ann"),
        ("undo", "bob"),
    ]
    accept_day(shop, last)
    assert shop.publish(last).passed, "accepted again after it was taken back"


def test_a_wrong_or_partial_acceptance_is_refused(world: Callable[..., FileDays]) -> None:
    shop = world(quality={"max_refused_ratio": 0.1})
    last = shop.deliver(MONDAY, [60] * 14)
    short = last + timedelta(days=1)
    shop.write(f"{short}.csv", [*sales(short, 15), f"9,{short}T09:00:00Z,none,0", f"10,{short}T09:00:00Z,none,0"])
    shop.load_and_publish(MONDAY, short)
    assert {rule.rule for rule in judged_day(shop.catalog, shop.source, short)[0].failed_rules} == BROKEN
    for how, message in [
        ({"rules": ["volume"]}, "refused by freshness, refused_ratio, volume"),
        ({"rules": [*BROKEN, "shift"]}, "or not at all"),
        ({"why": " "}, "who decides and why"),
        ({"who": ""}, "who decides and why"),
        ({"until": date(2024, 1, 1)}, "is over"),
    ]:
        with pytest.raises(DayAcceptanceError, match=message):
            accept_day(shop, short, **how)
    with pytest.raises(DayAcceptanceError, match="no rule refuses"):
        accept_day(shop, last)
    assert decisions(shop.catalog, "events") == []
    accept_day(shop, short, rules=sorted(BROKEN))
    load = shop.publish(short)
    assert load.passed
    assert (load.rows_accepted, load.rows_refused) == (15, 2), "bad rows stay in quarantine"


def test_a_rule_that_was_not_accepted_still_refuses_the_day(world: Callable[..., FileDays]) -> None:
    shop = world()
    last = shop.deliver(MONDAY, [60] * 15 + [20])
    shop.load_and_publish(MONDAY, last)
    accept_day(shop, last)
    load = FileDays(shop.folder, calendar={"weekdays": ["mon"]}).publish(last)
    assert [rule.rule for rule in load.failed_rules] == ["closed_day"]
    assert "volume" in [rule.rule for rule in load.accepted_rules]
