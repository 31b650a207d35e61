"""The pages: self-contained, small, escaped, and readable by machines."""

import re
from datetime import timedelta

import pytest

from platform_assets.monitoring.use_case_page.charts import chart, nice_range
from platform_assets.monitoring.use_case_page.findings import with_findings
from platform_assets.monitoring.use_case_page.page import index_page, use_case_page
from platform_assets.monitoring.use_case_page.state import Link, SeriesPoint, UseCaseState
from platform_assets.monitoring.use_case_page.state_of_operations import DueState, FailedRun
from platform_assets.monitoring.use_case_page.summary import UseCaseSummary, summary_of
from platform_assets.pictures.numbers import count, duration, percent, quantity
from platform_assets.pictures.pages import page_style
from platform_assets_tests.sound_page import assert_is_sound

from .states import NOW, check, healthy, operations, quality_series

MOST_BYTES = 300_000


def full_state() -> UseCaseState:
    """As long as a page gets: two months, hundreds of checks."""
    checks = tuple(check("passed", f"clean/source_{one}", "quality", evidence=("e" * 300,) * 6) for one in range(300))
    failed = tuple(
        FailedRun(job=f"job_{one}", days="2018-09-19", run_id="r" * 36, at=NOW, reason="x" * 400) for one in range(30)
    )
    return with_findings(healthy(operations=operations(checks=checks, failed_runs=failed)))


def test_a_page_is_one_small_file_that_asks_nobody_for_anything() -> None:
    page = use_case_page(full_state())
    assert_is_sound(page)
    assert page_style() in page, "the style sheet of all pages"
    assert len(page.encode()) < MOST_BYTES
    assert not re.findall(r"""(?:src|href)=["'](?!/v1/|http://127\.0\.0\.1)""", page)
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page


def test_what_is_wrong_comes_first_with_since_when_why_and_what_to_do() -> None:
    failed = FailedRun(
        job="load", days="2018-09-19", run_id="0123456789", at=NOW - timedelta(hours=5), reason="the file is empty"
    )
    page = use_case_page(with_findings(healthy(operations=operations(failed_runs=(failed,)))))
    words = re.sub(r"<[^>]+>", " ", page.split("<body>")[1])
    places = [
        words.index(one)
        for one in (
            "needs somebody now",
            "The run load of 2018-09-19 failed",
            "the file is empty",
            "The service answers",
        )
    ]
    assert places == sorted(places)
    assert "since 2018-09-20 03:00" in words
    assert "5 h" in words
    assert "make dev, run 01234567" in words
    assert "1,234,567" in words


def test_of_much_that_is_due_the_first_is_shown() -> None:
    due = tuple(DueState(job="load", days=f"2018-09-{day:02}", late=False) for day in range(1, 30))
    page = use_case_page(with_findings(healthy(operations=operations(due=due))))
    assert "load of 2018-09-06" in page
    assert "load of 2018-09-07" not in page.split("What runs by itself")[1]
    assert "; and 23 more." in page


def test_names_are_escaped() -> None:
    bad = "<script>alert(1)</script>&\"'"
    state = with_findings(
        healthy(
            description=bad, owner=bad,
            operations=operations(
                checks=(check("failed", f"clean/{bad}", bad, evidence=(bad,)),),
                failed_runs=(FailedRun(job=bad, days=bad, run_id=bad, at=NOW, reason=bad),),
            ),
            links=(Link(title=bad, address="/v1/x"),),
            series=(quality_series().model_copy(update={"title": bad, "chart": bad}),),
        )
    )  # fmt: skip
    pages = use_case_page(state), index_page([summary_of(state)], NOW)
    for page in pages:
        assert "<script>alert" not in page
        assert page.count("<script>") == 1


def test_a_page_says_how_old_it_is_and_when_that_is_too_old() -> None:
    page = use_case_page(with_findings(healthy()))
    assert f'data-made-at="{NOW.isoformat()}" data-stale-after="2400"' in page


def test_a_state_goes_to_json_and_back() -> None:
    state = full_state()
    text = state.model_dump_json()
    assert UseCaseState.model_validate_json(text) == state
    assert '"format":1' in text
    line = summary_of(state)
    assert UseCaseSummary.model_validate_json(line.model_dump_json()) == line


def test_the_page_of_all_has_the_worst_first() -> None:
    fine = with_findings(healthy(use_case="a_fine_one"))
    soon = with_findings(healthy(use_case="b_soon", automation=False))
    now = with_findings(healthy(use_case="c_now", champion=None))
    page = index_page([summary_of(one) for one in (fine, soon, now)], NOW)
    places = [page.index(f'href="/v1/{name}/page"') for name in ("c_now", "b_soon", "a_fine_one")]
    assert places == sorted(places)
    assert "There is no champion" in page
    assert index_page([], NOW).count("No use case has a page yet") == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], (0.0, 1.0)), ([3.0, 18.0], (0.0, 20.0)), ([0.8, 0.81], (0.8, 0.81)), ([5.0], (2.0, 8.0)), ([0.0], (0.0, 1.0)),
        ([-3.0, 7.0], (-5.0, 10.0)),
    ],
)  # fmt: skip
def test_an_axis_has_round_ends_around_its_values(values: list[float], expected: tuple[float, float]) -> None:
    low, high, step = nice_range(values)
    assert low <= min(values) <= max(values) <= high
    assert (round(low, 6), round(high, 6)) == expected
    assert 1 <= (high - low) / step <= 8


def test_a_chart_leaves_a_gap_where_a_value_lacks_and_marks_what_breaks_the_bound() -> None:
    series = quality_series(6)
    points = list(series.points)
    points[2] = SeriesPoint(day=points[2].day, value=None)
    points[5] = SeriesPoint(day=points[5].day, value=0.5)
    picture = chart([series.model_copy(update={"points": tuple(points)})])
    assert picture.count("<polyline") == 2
    assert picture.count('class="bad"') == 1
    assert "least 0.7" in picture
    nothing = series.model_copy(update={"points": (SeriesPoint(day=points[0].day, value=None),)})
    assert chart([nothing]) == ""


def test_numbers_have_units_and_no_digit_too_many() -> None:
    assert [count(1754155), percent(0.0035), percent(0.0312), percent(0.5)] == [
        "1,754,155",
        "0.35\u202f%",
        "3.1\u202f%",
        "50\u202f%",
    ]
    assert [duration(one) for one in (40, 700, 18_000, 300_000)] == ["40 s", "12 min", "5 h", "3 days"]
    assert [quantity(3.158, "milliseconds"), quantity(None, ""), quantity(0.80943, ""), quantity(12_000.0, "EUR")] == [
        "3.16\u202fms", "–", "0.809", "12,000\u202fEUR",
    ]  # fmt: skip
