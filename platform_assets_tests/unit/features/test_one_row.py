"""A request as a table of one row: the same values as columns made one by one, and the same refusals."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.features.errors import FeatureError
from platform_assets.features.online.single_request import RowComputation, one_row
from platform_assets.testing.declare import declare, row

MOMENT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
VALUES = [
    3,
    3.7,
    "3",
    True,
    None,
    float("nan"),
    2**70,
    MOMENT,
    MOMENT.astimezone(timezone(timedelta(hours=2))),
    b"x",
    Decimal(2),
]
TYPES = [pl.Float64(), pl.Int64(), pl.String(), pl.Boolean(), pl.Datetime("us", "UTC"), pl.Int32()]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_taken_or_refused_as_a_column_takes_it(dtype: pl.DataType, value: Any) -> None:
    given = int(value.timestamp() * 1e6) if isinstance(value, datetime) and dtype == TYPES[4] else value
    try:
        expected = pl.Series("it", [given], dtype=dtype)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        expected = None
    if expected is None:
        with pytest.raises(FeatureError, match="request column 'it' is"):
            one_row({"fine": 1.0, "it": value}, {"fine": pl.Float64(), "it": dtype})
        return
    found = one_row({"fine": 1.0, "it": value}, {"fine": pl.Float64(), "it": dtype})
    assert found.schema == {"fine": pl.Float64(), "it": dtype}
    assert found["it"].equals(expected, null_equal=True)


def test_an_expression_without_operator_is_computed_as_a_table_of_one_row_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [
        row("twice", "amount * 2"),
        {**row("german", "REGEXP_LIKE(country, '^D')"), "default": 0.5},
        row("half", "amount / 2"),
    ]
    use_case = declare(
        events={"sale": "int64", "at": "datetime", "amount": "float64", "country": "string?"},
        label="late",
        features=[{"name": "sale_itself", "rows": rows}],
    )
    types = {name: use_case.event_source.column(name).polars_type for name in use_case.serving.request}
    with caplog.at_level("WARNING"):
        one = RowComputation(use_case, types, [])
    assert "'german'" in caplog.text
    assert "REGEXP" in caplog.text
    assert "'half'" not in caplog.text
    event = {"sale": 1, "at": MOMENT, "amount": 3, "country": "DE"}
    nothing = np.full(len(use_case.feature_names), np.nan)
    assert one.values(event, nothing, {}).tolist() == [6.0, 1.0, 1.5]
    assert one.values({**event, "amount": Decimal(3), "country": None}, nothing, {}).tolist() == [6.0, 0.5, 1.5]
    with pytest.raises(FeatureError, match="request column 'amount' is 'much'"):
        one.values({**event, "amount": "much"}, nothing, {})


def test_a_day_stays_a_day() -> None:
    assert one_row({"day": date(2026, 3, 1)}, {"day": pl.Date()})["day"].to_list() == [date(2026, 3, 1)]
