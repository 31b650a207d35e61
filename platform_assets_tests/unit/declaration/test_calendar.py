"""Calendars: which days have events, from weekdays, holidays and files of holidays."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from platform_assets.declaration import DeclarationError, UseCase, load_use_case
from platform_assets.declaration.sections.calendar import Calendar, calendar_of
from platform_assets.testing.declare import declaration, declare, write_declaration

SATURDAY, SUNDAY, MONDAY = date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)
GOOD_FRIDAY = date(2026, 4, 3)


def document(calendar: Any, **source: Any) -> dict[str, Any]:
    whole = declaration(events={"sale": "int64", "at": "datetime", "items": "int32", "back": [0, 1]}, label="back")
    whole["sources"][0].update({"calendar": calendar, **source})
    whole["training"]["splits"]["test_days"] = 7  # a week has events whatever its calendar
    return whole


def test_weekdays_and_holidays_close_days_and_say_why() -> None:
    calendar = Calendar.model_validate(
        {"weekdays": ["Mon", "tue", "WED", "thursday", "fri", "sat"], "holidays": ["2026-04-03"]}
    )
    assert calendar.closed(MONDAY) is calendar.closed(SATURDAY) is None
    assert (calendar.closed(SUNDAY), calendar.closed(GOOD_FRIDAY)) == ("a Sunday", "a holiday")


@pytest.mark.parametrize(
    ("declared", "may_be_empty"),
    [
        (None, set()),
        ("any", {SATURDAY, SUNDAY, MONDAY, GOOD_FRIDAY}),
        ("weekdays", {SATURDAY, SUNDAY}),
        ({"holidays": ["2026-04-03"]}, {GOOD_FRIDAY}),
        ({"weekdays": ["sunday"]}, {SATURDAY, MONDAY, GOOD_FRIDAY}),
    ],
)
def test_each_way_to_declare_the_days(declared: Any, may_be_empty: set[date]) -> None:
    calendar = UseCase.model_validate(document(declared)).event_source.event_calendar
    assert {day for day in (SATURDAY, SUNDAY, MONDAY, GOOD_FRIDAY) if calendar.may_be_empty(day)} == may_be_empty
    assert calendar_of(None).may_be_empty(SUNDAY) is False


@pytest.mark.parametrize(
    "wrong", ["sundays", {"weekdays": ["m"]}, {"weekdays": []}, {"holidays": ["3 April"]}, {"closed": ["sun"]}]
)
def test_what_is_no_calendar_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="calendar"):
        UseCase.model_validate(document(wrong))


def test_a_source_without_days_of_its_own_has_no_calendar() -> None:
    feed = {"kind": "files", "format": "csv", "path": "in", "incremental": True}
    with pytest.raises(ValidationError, match="leave the calendar out"):
        UseCase.model_validate(document("any", connector=feed))


def test_holidays_come_from_a_file_beside_the_declaration(tmp_path: Path) -> None:
    write_declaration(
        tmp_path, document({"weekdays": ["mon", "fri"], "holidays": ["2026-12-25"], "holidays_file": "free.csv"})
    )
    (tmp_path / "free.csv").write_text("day,name\n# Easter\n2026-04-03,Good Friday\n\n2026-04-06;Easter Monday\n")
    calendar = load_use_case(tmp_path).event_source.event_calendar
    assert calendar.holidays == (GOOD_FRIDAY, date(2026, 4, 6), date(2026, 12, 25))
    assert (
        UseCase.model_validate_json(load_use_case(tmp_path).model_dump_json()).event_source.event_calendar == calendar
    )


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("2026-04-03\n03.04.2026\n", r"free.csv:2: '03.04.2026'")]
)
def test_a_file_of_holidays_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = write_declaration(tmp_path, document({"holidays_file": "free.csv"}))
    if content is not None:
        (tmp_path / "free.csv").write_text(content)
    assert yaml.safe_load(path.read_text())["attributes"]["sources"][0]["calendar"] == {"holidays_file": "free.csv"}
    with pytest.raises(DeclarationError, match=message):
        load_use_case(tmp_path)


def test_only_a_source_that_is_asked_for_days_has_late_ones() -> None:
    table = {
        "name": "terminals",
        "connector": {"kind": "files", "format": "csv", "path": "terminals.csv"},
        "columns": [{"name": "terminal", "type": "int64", "description": "terminal"}],
        "primary_key": ["terminal"],
        "late": {"then": "go_on"},
    }
    events = {"payment": "int64", "at": "datetime", "amount": "float64"}
    with pytest.raises(ValidationError, match=r"'terminals' is loaded whole: no day of it is late, leave the rule out"):
        declare(events=events, label="is_bad", sources=[table])
