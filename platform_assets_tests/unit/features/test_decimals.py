"""Numbers whose unit matters: sums of money are those of a cash book, in a table, for one request and after a state was carried on."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.connectors.conforming import conform
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_POSITION, SOURCE_PROBLEM, UNCAST
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.features.entity_state import EntityEvents, state_layout
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.online.request_windows import window_values
from platform_assets.features.state_events import state_event
from platform_assets.testing.declare import declare, window

START = datetime(2024, 1, 1, tzinfo=UTC)


def sales(scale: int | None = 2) -> UseCase:
    amount = {"type": "float64"} if scale is None else {"type": "decimal", "scale": scale}
    view = {
        "name": "activity",
        "entity": "shop",
        "windows": [window("total", "sum", "amount", [3]), window("largest", "max", "amount", [3])],
        "rows": [{"name": "half", "description": "half", "expression": "amount / 2"}],
    }
    return declare(
        events={"sale": "int64", "at": "datetime", "shop": "int32", "amount": {**amount, "nullable": True}},
        label="late",
        features=[view],
        entities=[{"name": "shop", "key": "shop"}],
    )


def rows(rows: int = 4000) -> pl.DataFrame:
    """Amounts of cents of one shop, over three days."""
    cents = np.random.default_rng(5).integers(1, 10**9, rows)
    times = [START + timedelta(seconds=60 * i) for i in range(rows)]
    frame = pl.DataFrame(
        {"sale": range(rows), "at": times, "shop": [1] * rows, "amount": [float(Decimal(int(c)) / 100) for c in cents]}
    )
    return frame.with_columns(pl.col("shop").cast(pl.Int32), pl.col("at").dt.date().alias(EVENT_DAY))


def test_sums_are_exact_in_a_table_and_the_same_for_one_request() -> None:
    use_case, events = sales(), rows()
    [view] = use_case.features
    table = compute_view(view, use_case, events, date(2024, 1, 1), date(2024, 1, 3))
    book = Decimal(0)
    expected = [float(book := book + Decimal(repr(amount))) for amount in events["amount"]]
    assert table["total_3d"].to_list() == expected
    layout = state_layout(view, use_case)
    history = EntityEvents(np.empty(0, dtype=np.int64), ([],), np.empty((1, 0)))
    for i, row in enumerate(events.head(300).to_dicts()):
        own = state_event(layout, row)
        assert window_values(layout, history, own)[0] == expected[i]
        history, _ = history.add(own)


def test_without_a_scale_a_long_sum_is_that_of_its_floats() -> None:
    """Why the type exists: floats of cents, summed exactly and rounded once, leave the cash book."""
    use_case, events = sales(None), rows()
    table = compute_view(use_case.features[0], use_case, events, date(2024, 1, 1), date(2024, 1, 3))
    exact = [float(total) for total in np.cumsum([Decimal(repr(amount)) for amount in events["amount"]])]
    assert table["total_3d"].to_list() != exact


def delivered(amounts: Any) -> pl.DataFrame:
    values = amounts if isinstance(amounts, pl.Series) else pl.Series(amounts)
    count = len(values)
    day = pl.lit("2024-01-01").str.to_date()
    columns = {"sale": [str(i) for i in range(count)], "at": ["2024-01-01"] * count, "shop": ["1"] * count}
    return pl.DataFrame({**columns, "amount": values}).with_columns(
        day.alias(DELIVERED_DAY), pl.lit("f").alias(SOURCE_POSITION), pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("amounts", "values"),
    [
        (
            ["19.95", "-0.1", "7", "1e2", "1.005", "123456789012345.67", None],
            [19.95, -0.1, 7.0, 100.0, None, None, None],
        ),
        (pl.Series([19.95, 4.99, 0.5], dtype=pl.Float32), [19.95, 4.99, 0.5]),
        (pl.Series(["19.95", "0.30"]).cast(pl.Decimal(38, 18)), [19.95, 0.3]),
        (pl.Series([5, 7]), [5.0, 7.0]),
        ([0.1 + 0.2, 0.5, 0.25], [None, 0.5, 0.25]),
    ],
)
def test_a_value_of_more_decimals_goes_to_quarantine(amounts: Any, values: list[float | None]) -> None:
    found = conform(delivered(amounts), sales().event_source).frame
    assert found["amount"].to_list() == values
    lacking = [value is None for value in (amounts if isinstance(amounts, list) else amounts.to_list())]
    assert [text is not None for text in found[UNCAST]] == [
        v is None and not gone for v, gone in zip(values, lacking, strict=True)
    ]


def test_the_scale_is_part_of_what_a_feature_means_and_is_declared() -> None:
    assert feature_contract_hash(sales()) != feature_contract_hash(sales(None))
    kept = UseCase.model_validate_json(sales().model_dump_json())
    assert kept.event_source.column("amount").scale == 2
    with pytest.raises(ValidationError, match="a decimal needs `scale`"):
        declare(events={"sale": "int64", "at": "datetime", "amount": {"type": "decimal"}}, label="late")
    with pytest.raises(ValidationError, match="is for type decimal"):
        declare(events={"sale": "int64", "at": "datetime", "amount": {"type": "int64", "scale": 2}}, label="late")
