"""Categories as features: the same offline and for one request, to the bit, and values that a model never saw."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.online.single_request import RowComputation
from platform_assets.features.text_codes import text_code
from platform_assets.testing.declare import declare
from platform_assets.training.learners.categories import fit_categories, read_categories

TEXTS = ["DE", "AT", "de", "", " DE", "Zürich", "it's", "日本", None, "FR"]
AT = datetime(2024, 3, 4, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    categories = [
        {"column": "country", "description": "Country", "values": ["DE", "AT", "it's"]},
        {"column": "country", "description": "Country", "values": "learned"},
        {"column": "gift", "description": "Gift", "values": {"yes": True, "no": False}},
    ]
    return declare(
        events={"sale": "int64", "at": "datetime", "country": "string?", "gift": "bool"},
        label="late",
        features=[{"name": "sale_itself", "categories": categories}],
        training={"categories": ["country_code"]},
    )


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    times = [AT + timedelta(minutes=i) for i in range(len(TEXTS))]
    return pl.DataFrame(
        {
            "sale": range(len(TEXTS)),
            "at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "country": TEXTS,
            "gift": [i % 2 == 0 for i in range(len(TEXTS))],
            EVENT_DAY: [AT.date()] * len(TEXTS),
        }
    )


def test_exactly_one_of_the_declared_features_is_one(use_case: UseCase, events: pl.DataFrame) -> None:
    rows = compute_view(use_case.features[0], use_case, events, AT.date(), AT.date())
    told_apart = rows.select("country_de", "country_at", "country_it_s", "country_unknown")
    assert told_apart.sum_horizontal().to_list() == [1.0] * len(TEXTS)
    assert rows["country_de"].to_list() == [1.0] + [0.0] * 9
    assert rows["country_unknown"].to_list() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    assert rows["country_code"][8] == -1.0, "no value is a value of its own, and not the median of the others"
    assert (rows["gift_yes"] + rows["gift_no"]).to_list() == [1.0] * len(TEXTS)


def test_a_request_has_the_values_of_the_table_to_the_bit(use_case: UseCase, events: pl.DataFrame) -> None:
    table = compute_view(use_case.features[0], use_case, events, AT.date(), AT.date())
    types = {name: use_case.event_source.column(name).polars_type for name in use_case.serving.request}
    one = RowComputation(use_case, types, [])
    for event, row in zip(events.to_dicts(), table.to_dicts(), strict=True):
        values = one.values(event, np.full(len(use_case.feature_names), np.nan), {})
        assert [None if np.isnan(v) else v for v in values.tolist()] == [row[name] for name in one.names]


def test_codes_are_whole_stable_and_different() -> None:
    codes = text_code(pl.Series(TEXTS))
    assert codes.to_list()[0] == text_code(pl.Series(["DE"])).item() == 3833857515619779.0
    assert codes.drop_nulls().n_unique() == 9
    assert codes.null_count() == 1
    many = text_code(pl.Series([f"text {i}" for i in range(20_000)]))
    assert many.n_unique() == 20_000
    assert (many == many.floor()).all()
    assert text_code(pl.Series([], dtype=pl.String)).to_list() == []
    assert text_code(pl.Series([None], dtype=pl.String)).to_list() == [None]


def test_a_value_that_training_never_saw_is_unknown_and_no_new_column(use_case: UseCase, events: pl.DataFrame) -> None:
    seen = text_code(pl.Series(["DE", "AT", "DE"])).to_numpy().reshape(-1, 1)
    learned = fit_categories(seen, (0,))
    kept = read_categories(learned.document())
    later = text_code(pl.Series(["AT", "XX", "DE"])).to_numpy().reshape(-1, 1)
    spread: Any = kept.spread(later)
    assert spread.shape == (3, 2)
    assert spread.sum(axis=1).tolist() == [1.0, 0.0, 1.0]
