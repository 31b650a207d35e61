"""Look-ups, pairs and functions: as of the event, held to an oracle, equal for a request, and refused where they cannot be."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from pydantic import ValidationError

from platform_assets.declaration import EVENT_DAY, feature_contract_hash
from platform_assets.features.entities import combined_key, combined_value
from platform_assets.features.entity_state import entity_state
from platform_assets.features.errors import FeatureError, PointInTimeError, StateError
from platform_assets.features.offline.carried_state import carried_state, next_days
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.offline.lookups import days_to_read, join_lookups
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.lookup_state import lookup_layouts, write_lookup
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state
from platform_assets_tests.unit.features.histories import (
    EVENT_SCHEMA,
    FIRST_DAY,
    LAST_DAY,
    histories,
    row,
    use_case,
    window,
)
from platform_assets_tests.unit.features.wide_case import (
    FUNCTIONS,
    HOLDER_LOOKUP,
    HOLDER_SCHEMA,
    SHARE,
    SHOP_LOOKUP,
    SHOP_SCHEMA,
    expected_holder,
    moment,
    tables,
    wide_case,
    wide_document,
    wide_view,
)

CASE = wide_case()
VIEW = CASE.features[0]
AT = LAST_DAY - timedelta(days=2)
History = tuple[pl.DataFrame, pl.DataFrame]
NO_TABLES = {"holders": pl.DataFrame(schema=HOLDER_SCHEMA), "shops": pl.DataFrame(schema=SHOP_SCHEMA)}


def payment(
    key: int, day: int, hour: int, card: int = 1, shop: int = 1, amount: float | None = 10.0
) -> tuple[Any, ...]:
    time = moment(day, hour)
    return (key, time, card, shop, amount, time.date())


def features(
    events: list[tuple[Any, ...]], holders: list[tuple[Any, ...]], shops: list[tuple[Any, ...]]
) -> pl.DataFrame:
    rows = pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row")
    found = {
        "holders": pl.DataFrame(holders, schema=HOLDER_SCHEMA, orient="row"),
        "shops": pl.DataFrame(shops, schema=SHOP_SCHEMA, orient="row"),
    }
    return compute_view(VIEW, CASE, join_lookups(rows, found, VIEW, CASE), FIRST_DAY, LAST_DAY)


def holder(key: int, day: int, hour: int, limit: float | None, card: int = 1) -> tuple[Any, ...]:
    time = moment(day, hour)
    return (key, time, card, limit, "gold", date(2023, 5, 17), time.date())


def test_a_row_counts_from_the_midnight_it_has_arrived_by_until_it_is_too_old() -> None:
    events = [payment(day, day, 0) for day in range(9)]
    found = features(events, [holder(1, 1, 23, 100.0)], [])
    assert found["holder_limit"].to_list() == [None, None, None, 100, 100, 100, 100, None, None]
    assert found["opened_in"].to_list() == [None, None, None, 17, 17, 17, 17, None, None]
    assert found["over_limit"].to_list() == [0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.5, 0.5]
    assert found["share_of_limit"].to_list() == [-2, -2, -2, 0.1, 0.1, 0.1, 0.1, -2, -2]


def test_of_rows_of_one_day_the_newest_counts_and_of_one_instant_the_last_by_key() -> None:
    holders = [holder(3, 0, 6, 3.0), holder(2, 0, 6, 2.0), holder(9, 0, 5, 9.0), holder(4, 2, 0, None)]
    assert features([payment(1, 3, 1), payment(2, 4, 1)], holders, [])["holder_limit"].to_list() == [3.0, None]


def test_a_reference_table_counts_for_every_event_and_what_is_absent_has_its_default() -> None:
    found = features(
        [payment(1, 0, 0, shop=1), payment(2, 5, 0, shop=2), payment(3, 6, 0, shop=7)],
        [],
        [(1, 4, True), (2, None, False)],
    )
    assert found["shop_size"].to_list() == [4, -1, -1]
    assert found["shop_open"].to_list() == [1, 0, None]


@hypothesis_settings(max_examples=25, deadline=None)
@given(history=histories(max_size=25), found=tables())
def test_look_ups_and_pairs_against_every_row(history: History, found: dict[str, pl.DataFrame]) -> None:
    events, _ = history
    computed = compute_view(VIEW, CASE, join_lookups(events, found, VIEW, CASE), FIRST_DAY, LAST_DAY)
    holders = found["holders"].to_dicts()
    for event, values in zip(
        events.sort(EVENT_DAY, "paid_at", "payment_id").to_dicts(), computed.to_dicts(), strict=True
    ):
        known = expected_holder(holders, event)
        assert values["holder_limit"] == known["limit"]
        assert values["is_gold"] == float(known["tier"] == "gold")
        same = [
            other
            for other in events.to_dicts()
            if (other["card_id"], other["shop_id"]) == (event["card_id"], event["shop_id"])
            and event["paid_at"] - timedelta(days=1) < other["paid_at"]
            and (other["paid_at"], other["payment_id"]) <= (event["paid_at"], event["payment_id"])
        ]
        assert values["pair_count_1d"] == len(same)


@hypothesis_settings(max_examples=10, deadline=None)
@given(history=histories(max_size=25), found=tables())
def test_days_from_carried_state_equal_the_history(history: History, found: dict[str, pl.DataFrame]) -> None:
    events = join_lookups(history[0], found, VIEW, CASE)
    whole = compute_view(VIEW, CASE, events, FIRST_DAY, LAST_DAY)
    day = FIRST_DAY + timedelta(days=4)
    before, after = events.filter(pl.col(EVENT_DAY) < day), events.filter(pl.col(EVENT_DAY) >= day)
    computed, _ = next_days(carried_state(VIEW, CASE, before, day, LAST_DAY), after, LAST_DAY)
    assert computed.equals(whole.filter(pl.col(EVENT_DAY) >= day))


@pytest.fixture(scope="module")
def wide_settings(tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    home = tmp_path_factory.mktemp("wide")
    online = {"type": "sqlite", "path": "online.db"}
    made = FeastSettings(
        project="wide", registry=f"sqlite:///{home / 'registry.db'}", online_store=online, home=str(home)
    )
    apply(CASE, made)
    return made


@hypothesis_settings(max_examples=10, deadline=None)
@given(history=histories(max_size=25), found=tables())
def test_a_request_sees_what_the_table_says(
    history: History, found: dict[str, pl.DataFrame], wide_settings: FeastSettings
) -> None:
    shift = int.from_bytes(np.random.default_rng().bytes(5))  # cards and shops of this example alone
    events = history[0].with_columns(pl.col("card_id") + shift, pl.col("shop_id") + shift)
    holders = found["holders"].with_columns(pl.col("card_id") + shift)
    shops = found["shops"].with_columns(pl.col("shop_id") + shift)
    every = {"holders": holders, "shops": shops}
    offline = compute_view(VIEW, CASE, join_lookups(events, every, VIEW, CASE), FIRST_DAY, LAST_DAY)
    write_state(VIEW, entity_state(VIEW, CASE, events, AT), wide_settings, CASE)
    for layout in lookup_layouts(CASE):
        rows = every[layout.lookup.source]
        days = days_to_read(CASE, layout.lookup, AT - timedelta(days=1), AT)
        write_lookup(
            layout, rows if days is None else rows.filter(pl.col(EVENT_DAY).is_between(*days)), wide_settings, AT
        )
    online = OnlineFeatures(CASE, wide_settings)
    for event in events.filter(pl.col(EVENT_DAY) == AT).sort("paid_at", "payment_id").to_dicts():
        expected = offline.filter(pl.col("payment_id") == event["payment_id"]).select(CASE.feature_names).row(0)
        vector = online.vector({name: event[name] for name in CASE.serving.request})
        np.testing.assert_array_equal(vector.values, [np.nan if value is None else value for value in expected])
        known = expected_holder(holders.to_dicts(), event)
        assert ("holder" in vector.unknown_lookups) == (known["change_id"] is None)
        online.record({name: event[name] for name in CASE.serving.request})


def test_look_ups_are_written_in_time_order(wide_settings: FeastSettings) -> None:
    layout = lookup_layouts(CASE)[1]
    write_lookup(layout, NO_TABLES["shops"], wide_settings, LAST_DAY)
    with pytest.raises(StateError, match="in time order"):
        write_lookup(layout, NO_TABLES["shops"], wide_settings, LAST_DAY - timedelta(days=1))


def test_a_combination_tells_all_parts_apart() -> None:
    parts = [("a|b", "c"), ("a", "b|c"), ("a\\", "|c"), ("a\\|", "c"), ("a", None), (None, "a")]
    frame = pl.DataFrame(parts, schema=["left", "right"], orient="row")
    texts = frame.select(combined_key(["left", "right"], frame.schema)).to_series().to_list()
    assert texts == [combined_value(row) for row in parts]
    assert len(set(texts[:4])) == 4
    assert texts[4:] == [None, None]
    times = pl.DataFrame({"day": [date(1969, 12, 30)], "time": [moment(0, 5)], "is_on": [True], "number": [-3]}).cast(
        {"time": pl.Datetime("us", "UTC")}
    )
    assert times.select(combined_key(times.columns, times.schema)).item() == combined_value(times.row(0))


def test_two_rows_for_a_key_of_a_reference_table_are_refused() -> None:
    with pytest.raises(PointInTimeError, match="2 of 2 rows repeat a key"):
        features([payment(1, 0, 0)], [], [(1, 4, True), (1, 5, True)])


def test_events_without_what_the_view_looks_up_are_refused() -> None:
    rows = pl.DataFrame([payment(1, 0, 0)], schema=EVENT_SCHEMA, orient="row")
    with pytest.raises(FeatureError, match="join_lookups"):
        compute_view(VIEW, CASE, rows, FIRST_DAY, LAST_DAY)
    with pytest.raises(FeatureError, match="was not given"):
        join_lookups(rows, {}, VIEW, CASE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("of_many_rows", "depend on its own row only"),
        ("different_each_time", "give the same each time"),
        ("too_short", "returned 1 values for 2 rows"),
        ("no_series", "returned a float for 2 rows"),
        ("words", "not numbers"),
        ("fails", "raised KeyError on 2 rows"),
    ],
)
def test_an_unfit_function_is_refused_when_it_is_called(name: str, message: str) -> None:
    view = {
        "name": "bad",
        "description": "bad",
        "functions": [SHARE | {"function": f"{FUNCTIONS}:{name}", "columns": ["amount"]}],
    }
    case = wide_case(view)
    rows = pl.DataFrame([payment(1, 0, 0), payment(2, 1, 0, amount=20.0)], schema=EVENT_SCHEMA, orient="row")
    with pytest.raises(FeatureError, match=message):
        compute_view(case.features[0], case, rows, FIRST_DAY, LAST_DAY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lookups": [HOLDER_LOOKUP | {"source": "nobody"}]}, "no such source"),
        ({"lookups": [HOLDER_LOOKUP | {"source": "payments"}]}, "a window's work"),
        ({"lookups": [HOLDER_LOOKUP | {"columns": ["tier"]}]}, "a feature is a number"),
        ({"lookups": [HOLDER_LOOKUP | {"columns": ["age"]}]}, "no such column in 'holders'"),
        ({"lookups": [HOLDER_LOOKUP | {"max_age_days": None}]}, "say how many days back"),
        ({"lookups": [HOLDER_LOOKUP | {"max_age_days": 1}]}, "shorter than the 2 days after which"),
        ({"lookups": [SHOP_LOOKUP | {"max_age_days": 1}]}, "leave max_age_days out"),
        ({"lookups": [SHOP_LOOKUP | {"on": {"shop_id": "size"}}]}, "must name the primary key"),
        ({"lookups": [HOLDER_LOOKUP | {"on": {"amount": "limit"}}]}, "a key is equal whole numbers"),
        ({"lookups": [HOLDER_LOOKUP | {"on": {}}]}, "say which is meant in `on`"),
        ({"lookups": [SHOP_LOOKUP | {"defaults": {"height": 1}}]}, "is not looked up"),
        ({"rows": [row("far", "holder_height")]}, "uses unknown columns holder_height"),
        ({"functions": [SHARE | {"function": f"{FUNCTIONS}:nothing"}]}, "defines no function 'nothing'"),
        ({"functions": [SHARE | {"function": f"{FUNCTIONS}:NO_FUNCTION"}]}, "defines no function"),
        ({"functions": [SHARE | {"function": "no_such_package.module:f"}]}, "there is no module"),
        ({"functions": [SHARE | {"columns": ["is_bad"]}]}, "a label cannot be a feature"),
        ({"functions": [SHARE | {"columns": ["weather"]}]}, "no such column"),
        ({"windows": [window("w", "count", None, [1], where="holder_limit > 3")]}, "uses holder_limit"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        wide_case(wide_view(**{"rows": [], "functions": [], **changes}))


def test_a_request_that_lacks_what_a_look_up_or_function_needs_is_refused() -> None:
    document = wide_document()
    document["serving"]["request"].remove("amount")
    with pytest.raises(ValidationError, match=r"amount.* add it to serving.request"):
        CASE.model_validate(document)
    document = wide_document(wide_view(entity="shop"))
    document["serving"]["request"].remove("card_id")
    document["training"]["group"] = None
    with pytest.raises(ValidationError, match="lacks card_id, which the features need"):
        CASE.model_validate(document)


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        ({"name": "pair"}, "needs `key`, or `keys`"),
        ({"name": "pair", "keys": ["card_id", "card_id"]}, "at least two different columns"),
        ({"name": "pair", "keys": ["card_id", "shop"]}, "no such column"),
        ({"name": "pair", "keys": ["card_id", "amount"]}, "cannot be part of a combined key"),
        ({"name": "pair", "keys": ["card_id", "shop_id"], "key": "amount"}, "needs a name of its own"),
    ],
)
def test_an_entity_that_cannot_be_told_is_refused(entity: dict[str, Any], message: str) -> None:
    document = wide_document()
    document["entities"].append({"description": "pair", **entity})
    with pytest.raises(ValidationError, match=message):
        CASE.model_validate(document)


def test_the_contract_changes_with_the_functions_source_and_with_the_looked_up_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "functions_of_a_test.py"
    hashes = []
    for body in ("return amount", "return amount + 1"):
        module.write_text(f"def f(amount):\n    {body}\n")
        view = {
            "name": "v",
            "description": "v",
            "functions": [SHARE | {"function": "functions_of_a_test:f", "columns": ["amount"]}],
        }
        hashes.append(feature_contract_hash(wide_case(view)))
    assert hashes[0] != hashes[1]
    later = wide_document()
    later["sources"][2] = {**later["sources"][2], "arrival_delay_days": 1}
    assert feature_contract_hash(CASE.model_validate(later)) != feature_contract_hash(CASE)
    assert feature_contract_hash(use_case()) == "b6eda02bf3311540", "older declarations keep their contract"
