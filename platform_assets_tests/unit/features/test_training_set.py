"""Training sets: every labelled event once, with the features of its own time."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.training_set import training_set, training_set_schema
from platform_assets_tests.unit.features.histories import (
    FIRST_DAY,
    LABEL_DELAY_DAYS,
    LAST_DAY,
    MIDNIGHT,
    histories,
    use_case,
)

CASE = use_case()
History = tuple[pl.DataFrame, pl.DataFrame]
AS_OF = date(2024, 3, 20)

_TIMES = [MIDNIGHT + timedelta(days=day, hours=1) for day in range(5)]
EVENTS = pl.DataFrame(
    {
        "payment_id": range(5),
        "paid_at": _TIMES,
        "card_id": [1, 1, 2, 2, 1],
        "shop_id": [1] * 5,
        "amount": [1.0, None, 3.0, 4.0, 5.0],
    },
    schema_overrides={"paid_at": pl.Datetime("us", "UTC")},
).with_columns(pl.col("paid_at").dt.date().alias("event_day"))
LABELS = EVENTS.select("payment_id", "paid_at", pl.Series("is_bad", [0, 1, 0, None, 1], dtype=pl.Int8), "event_day")


def tables(events: pl.DataFrame, labels: pl.DataFrame) -> dict[str, pl.DataFrame]:
    labelled = join_labels(events, labels, CASE)
    return {view.name: compute_view(view, CASE, labelled, FIRST_DAY, LAST_DAY) for view in CASE.features}


@settings(max_examples=60, deadline=None)
@given(history=histories(), first=st.integers(0, 11), days=st.integers(0, 11), known=st.integers(-2, 14))
def test_each_labelled_and_known_event_is_there_once_with_its_own_features(
    history: History, first: int, days: int, known: int
) -> None:
    events, labels = history
    first_day = FIRST_DAY + timedelta(days=first)
    last_day = first_day + timedelta(days=days)
    as_of = FIRST_DAY + timedelta(days=known)
    views = tables(events, labels)
    found = training_set(labels, views, CASE, as_of, first_day, last_day)
    expected = {
        row["payment_id"]: row["is_bad"]
        for row in labels.to_dicts()
        if first_day <= row["event_day"] <= last_day and row["event_day"] + timedelta(days=LABEL_DELAY_DAYS) <= as_of
    }
    assert dict(found.select("payment_id", "is_bad").rows()) == expected
    assert len(found) == len(expected)
    for view in CASE.features:
        stored = {row["payment_id"]: row for row in views[view.name].to_dicts()}
        for row in found.to_dicts():
            assert {n: row[n] for n in view.feature_names} == {
                n: stored[row["payment_id"]][n] for n in view.feature_names
            }


def test_columns_come_in_contract_order_and_rows_in_time_order() -> None:
    found = training_set(LABELS, tables(EVENTS, LABELS), CASE, AS_OF, FIRST_DAY, LAST_DAY)
    assert dict(found.schema) == training_set_schema(CASE)
    assert list(found.columns) == [
        *("payment_id", "card_id", "paid_at"),
        *CASE.feature_names,
        *("is_bad", "event_day", "as_of"),
    ]
    assert found["payment_id"].to_list() == [0, 1, 2, 4]
    assert found["as_of"].unique().to_list() == [AS_OF]


def test_lazy_feature_tables_give_the_same() -> None:
    views = tables(EVENTS, LABELS)
    lazy = {name: frame.lazy() for name, frame in views.items()}
    eager = training_set(LABELS, views, CASE, AS_OF, FIRST_DAY, LAST_DAY)
    assert training_set(LABELS.lazy(), lazy, CASE, AS_OF, FIRST_DAY, LAST_DAY).equals(eager)


def test_a_missing_feature_row_is_refused_with_its_key() -> None:
    views = tables(EVENTS, LABELS)
    views["card_activity"] = views["card_activity"].filter(pl.col("payment_id") != 2)
    with pytest.raises(PointInTimeError, match=r"1 of 4 events .* no row in feature table 'card_activity'.*: 2"):
        training_set(LABELS, views, CASE, AS_OF, FIRST_DAY, LAST_DAY)


def test_a_doubled_feature_row_is_refused_with_its_key() -> None:
    views = tables(EVENTS, LABELS)
    views["context"] = pl.concat([views["context"], views["context"].filter(pl.col("payment_id") == 1)])
    with pytest.raises(PointInTimeError, match=r"feature table 'context': 2 of 5 rows repeat a key.*'payment_id': 1"):
        training_set(LABELS, views, CASE, AS_OF, FIRST_DAY, LAST_DAY)


def test_a_doubled_label_is_refused_with_its_key() -> None:
    doubled = pl.concat([LABELS, LABELS.filter(pl.col("payment_id") == 4)])
    with pytest.raises(PointInTimeError, match=r"labels of 'labels': 2 of 5 rows repeat a key.*'payment_id': 4"):
        training_set(doubled, tables(EVENTS, LABELS), CASE, AS_OF, FIRST_DAY, LAST_DAY)


def test_a_view_that_was_not_given_is_named() -> None:
    views = tables(EVENTS, LABELS)
    del views["shop_risk"]
    with pytest.raises(FeatureError, match=r"\['shop_risk'\] of 'payments' were not given"):
        training_set(LABELS, views, CASE, AS_OF, FIRST_DAY, LAST_DAY)


def test_a_group_that_no_feature_table_carries_is_named() -> None:
    case = use_case(features=[CASE.features[0].model_dump()])
    with pytest.raises(FeatureError, match=r"no feature table carries \['card_id'\]"):
        training_set(LABELS, tables(EVENTS, LABELS), case, AS_OF, FIRST_DAY, LAST_DAY)


def test_an_infinite_feature_is_refused_with_view_rows_and_what_to_declare() -> None:
    def trained_on(expression: str) -> pl.DataFrame:
        rate = {"name": "rate", "description": "A share.", "expression": expression}
        rates = {"name": "rates", "description": "Shares.", "rows": [rate]}
        case = use_case(features=[*(view.model_dump() for view in CASE.features), rates])
        labelled = join_labels(EVENTS, LABELS, case)
        views = {view.name: compute_view(view, case, labelled, FIRST_DAY, LAST_DAY) for view in case.features}
        return training_set(LABELS, views, case, AS_OF, FIRST_DAY, LAST_DAY)

    says = (
        r"feature 'rate' of view 'rates' is infinite in 1 of 4 rows, for example \[{'payment_id': 2}\]. "
        r"Its expression, '1 / \(amount - 3\)', divides by zero there: write NULLIF\(divisor, 0\)"
    )
    with pytest.raises(FeatureError, match=says):
        trained_on("1 / (amount - 3)")
    assert trained_on("1 / NULLIF(amount - 3, 0)")["rate"].to_list() == [-0.5, None, None, 0.5]
