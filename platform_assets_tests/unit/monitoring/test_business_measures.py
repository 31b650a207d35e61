"""Business measures: their values, and that a bound is violated by a whole interval and not by chance."""

from datetime import date, timedelta

import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.monitoring.business_measures import measure_business
from platform_assets.testing.declare import declare

FIRST, LAST = date(2024, 3, 4), date(2024, 3, 10)
ALARM = {
    "name": "false_alarms",
    "expression": "CASE WHEN decision = 'above' AND late = 0 THEN 1 ELSE 0 END",
    "unit": "alarms",
    "direction": "decrease",
}
SAVED = {
    "name": "saved",
    "expression": "CASE WHEN late = 1 THEN amount ELSE -10 END",
    "unit": "EUR",
    "direction": "increase",
}


def declared(*measures: dict[str, object]) -> UseCase:
    return declare(
        events={"loan": "int64", "at": "datetime", "amount": "float64", "late": [0, 1]},
        label="late",
        monitoring={"quality_metric": "auc_roc", "measures": measures},
    )


def answered(alarms_a_day: list[int]) -> pl.DataFrame:
    """Ten answers a day; so many of them false alarms, and one late loan."""
    rows = []
    for day, alarms in enumerate(alarms_a_day):
        for i in range(10):
            late = 1.0 if i == 9 else 0.0
            rows.append((FIRST + timedelta(days=day), "above" if i < alarms else "below", late, 100.0))
    schema = {"event_day": pl.Date, "decision": pl.String, "late": pl.Float64, "amount": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def measured(rows: pl.DataFrame, *measures: dict[str, object]) -> dict[str, object]:
    result = measure_business(rows, declared(*measures), (FIRST, LAST))
    one = result.measures[0]
    return {"value": one.value, "status": one.status, "causes": result.causes, "passed": result.passed}


def test_a_measure_is_the_mean_of_the_days_sums() -> None:
    found = measured(answered([1, 3, 2, 2, 1, 3, 2]), {**ALARM, "bound": 3.0})
    assert found == {"value": pytest.approx(2.0), "status": "ok", "causes": [], "passed": True}


def test_a_bound_is_violated_by_the_whole_interval() -> None:
    assert measured(answered([6, 7, 6, 7, 6, 7, 6]), {**ALARM, "bound": 3.0})["causes"] == ["measure:false_alarms"]
    assert measured(answered([0, 8, 0, 9, 0, 8, 0]), {**ALARM, "bound": 3.0})["status"] == "ok", (
        "the interval holds the bound"
    )


def test_a_mean_over_requests() -> None:
    assert measured(answered([2] * 7), {**ALARM, "per": "request"})["value"] == pytest.approx(0.2)


def test_money_is_lost_where_fraud_is_rare() -> None:
    assert measured(answered([0] * 7), {**SAVED, "bound": 0.0})["value"] == pytest.approx(10.0)
    none = answered([0] * 7).with_columns(late=pl.lit(0.0))
    assert measured(none, {**SAVED, "bound": 0.0})["status"] == "violated"


def test_without_labels_there_is_no_verdict() -> None:
    rows = answered([1] * 7).with_columns(late=pl.lit(None, pl.Float64))
    assert measured(rows, {**ALARM, "bound": 3.0}) == {
        "value": None,
        "status": "no_verdict",
        "causes": [],
        "passed": False,
    }


def test_a_value_that_lacks_is_told() -> None:
    rows = answered([1] * 7).with_columns(amount=pl.lit(None, pl.Float64))
    result = measure_business(rows, declared(SAVED), (FIRST, LAST))
    assert "no finite value for 7 rows" in result.measures[0].explanation


@pytest.mark.parametrize(
    ("measure", "why"),
    [
        ({**ALARM, "expression": "profit"}, "names profit, which no logged answer has"),
        ({**ALARM, "expression": "SUM(amount)"}, "looks at other rows"),
    ],
)
def test_what_no_answer_has_is_refused_at_declaration(measure: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        declared(measure)


def test_two_measures_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="names two measures"):
        declared(ALARM, ALARM)
