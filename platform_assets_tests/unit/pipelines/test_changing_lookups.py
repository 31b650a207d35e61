"""Look-ups in tables that change: every version counts for its time, offline as online, and none that was refused."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.pipelines.refresh_online_store import refresh_online_store
from platform_assets.testing.declare import declaration
from platform_assets.testing.loaded_days import computed, loaded
from platform_assets_tests.unit.pipelines.change_world import (
    ANY,
    DAYS,
    FIRST,
    change,
    limit,
    limits_by_day,
    limits_case,
    on,
    tables,
    write_feed,
    write_payments,
)

FIRST_LIMIT = limit("A", 100, 0)


@pytest.mark.parametrize("deletes", ["hard", "soft", "history"])
def test_a_limit_that_is_changed_in_place_is_the_old_one_until_then(tmp_path: Path, deletes: str) -> None:
    changes = [
        change("c", FIRST_LIMIT, None, 1),
        change("c", limit("B", 500, 0, account=2), None, 2),
        change("u", limit("A", 200, 10), None, 3, before=FIRST_LIMIT),
    ]
    catalog = tables(tmp_path, limits_case(deletes), ["A", "B"], changes)
    assert limits_by_day(catalog, "A") == [None, *[100.0] * 10, *[200.0] * 9]
    assert limits_by_day(catalog, "B") == [None, *[500.0] * 19]


def test_a_row_that_keeps_its_own_time_counts_from_when_the_database_changed_it(tmp_path: Path) -> None:
    changes = [change("c", FIRST_LIMIT, 0, 1), change("u", limit("A", 200, 0), 10, 2, before=FIRST_LIMIT)]
    assert limits_by_day(tables(tmp_path, limits_case(), ["A"], changes), "A") == [None, *[100.0] * 10, *[200.0] * 9]


def test_a_snapshot_counts_from_the_row_s_own_time_and_a_later_change_from_its_own(tmp_path: Path) -> None:
    read = change("r", FIRST_LIMIT, 15, 1)
    read["source"]["snapshot"] = "true"
    changes = [read, change("u", limit("A", 200, 0), 16, 2, before=FIRST_LIMIT)]
    assert limits_by_day(tables(tmp_path, limits_case(), ["A"], changes), "A") == [None, *[100.0] * 16, *[200.0] * 3]


def test_after_a_delete_there_is_nothing_and_another_account_may_take_over(tmp_path: Path) -> None:
    older, newer = limit("A", 50, 1, account=7), limit("A", 100, 3)
    changes = [change("c", older, 1, 1), change("c", newer, 3, 2), change("d", newer, 8, 3), change("d", older, 12, 4)]
    catalog = tables(tmp_path, limits_case(defaults={"amount": -1}), ["A"], changes)
    assert limits_by_day(catalog, "A") == [-1, -1, 50, 50, *[100] * 5, *[50] * 4, *[-1] * 7]


def test_a_key_that_changes_takes_its_row_along(tmp_path: Path) -> None:
    moved = limit("B", 100, 9)
    renumbered = limit("B", 100, 9, account=5)
    changes = [
        change("c", FIRST_LIMIT, 0, 1),
        change("u", moved, 9, 2, before=FIRST_LIMIT),
        change("u", renumbered, 14, 3, before=moved),
        change("d", renumbered, 16, 4),
    ]
    catalog = tables(tmp_path, limits_case(), ["A", "B"], changes)
    assert limits_by_day(catalog, "A") == [None, *[100.0] * 9, *[None] * 10]
    assert limits_by_day(catalog, "B") == [*[None] * 10, *[100.0] * 7, *[None] * 3]


def test_changes_that_come_late_or_at_one_time_end_in_the_order_of_the_database(tmp_path: Path) -> None:
    first = [change("c", FIRST_LIMIT, 0, 1), change("u", limit("A", 300, 5), 5, 4, before=FIRST_LIMIT)]
    late = [change("u", limit("A", 150, 5), 5, 2), change("u", limit("A", 250, 5), 5, 3)]
    assert limits_by_day(tables(tmp_path, limits_case(), ["A"], first, late), "A") == [
        None,
        *[100.0] * 5,
        *[300.0] * 14,
    ]


def test_a_version_that_breaks_a_rule_is_never_looked_up(tmp_path: Path) -> None:
    broken = limit("A", -5, 4)
    changes = [
        change("c", FIRST_LIMIT, 0, 1),
        change("u", broken, 4, 2, before=FIRST_LIMIT),
        change("u", limit("A", 200, 8), 8, 3, before=broken),
    ]
    assert limits_by_day(tables(tmp_path, limits_case(), ["A"], changes), "A") == [
        None,
        *[100.0] * 4,
        *[None] * 4,
        *[200.0] * 11,
    ]


def test_a_request_finds_what_the_feature_table_has(tmp_path: Path) -> None:
    changes = [
        change("c", FIRST_LIMIT, 0, 1),
        change("u", limit("A", 200, 0), 10, 2, before=FIRST_LIMIT),
        change("d", limit("A", 200, 0), 13, 3),
        change("c", limit("B", 7, 0, account=2), 0, 4),
    ]
    catalog = tables(tmp_path, limits_case(), ["A", "B"], changes)
    online = {"type": "sqlite", "path": "online.db"}
    registry = f"sqlite:///{tmp_path / 'registry.db'}"
    settings = FeastSettings(project="limits", registry=registry, online_store=online, home=str(tmp_path))
    for day in range(8, 16):
        refresh_online_store(catalog, settings, FIRST + timedelta(days=day - 1), print)
        served = OnlineFeatures(catalog.use_case, settings)
        for customer in ("A", "B"):
            event = {"payment": 1, "at": on(day, 12), "customer": customer, "paid": 1.0}
            value = served.vector(event).values[1]
            offline = limits_by_day(catalog, customer)[day]
            assert (None if value != value else value) == offline, (day, customer)


def test_a_raw_table_from_before_changes_had_times_still_reads_and_takes_more(tmp_path: Path) -> None:
    case = limits_case()
    write_payments(tmp_path, ["A"])
    write_feed(tmp_path / "limits", "000.jsonl", [change("c", FIRST_LIMIT, 0, 1)])
    catalog = loaded(case, tmp_path, tmp_path / "lake")
    raw = catalog.raw("limits").stored
    rows = raw.read().drop("change_made_at")
    shutil.rmtree(raw.uri)
    shutil.rmtree(raw.known)
    write_deltalake(raw.uri, rows, partition_by=["event_day"])
    computed(catalog)
    assert limits_by_day(catalog, "A") == [None, *[100.0] * 19]


def test_rows_with_an_end_of_their_own_stop_counting(tmp_path: Path) -> None:
    lines = ["row,customer,valid_from,valid_to,zone"]
    lines += [f"1,A,{on(0).isoformat()},{on(6).isoformat()},1.0", f"2,A,{on(6).isoformat()},,2.0"]
    lines += [f"3,B,{on(0).isoformat()},{on(9).isoformat()},3.0"]
    (tmp_path / "zones.csv").write_text("\n".join(lines) + "\n")
    columns = {
        "row": "int64",
        "customer": "string",
        "valid_from": "datetime",
        "valid_to": "datetime",
        "zone": "float64",
    }
    zones = {
        "name": "zones",
        "connector": {"kind": "files", "format": "csv", "path": "zones.csv"},
        "columns": [
            {"name": name, "description": name, "type": kind, "nullable": name == "valid_to"}
            for name, kind in columns.items()
        ],
        "primary_key": ["row"],
        "event_time": "valid_from",
        "quality": ANY,
        "calendar": "any",
    }
    document = limits_case().model_dump(mode="json")
    document["sources"][1] = {**zones, "description": "zones"}
    look = {
        "name": "holder",
        "description": "z",
        "source": "zones",
        "columns": ["zone"],
        "on": {"customer": "customer"},
    }
    document["features"][1]["lookups"] = [{**look, "max_age_days": 90, "until": "valid_to"}]
    write_payments(tmp_path, ["A", "B"])
    catalog = computed(loaded(type(limits_case()).model_validate(document), tmp_path, tmp_path / "lake"))
    found = catalog.features(catalog.use_case.features[1]).read().join(catalog.events.read(), on="payment").sort("at")
    by_customer = {c: found.filter(pl.col("customer") == c)["holder_zone"].to_list() for c in ("A", "B")}
    assert by_customer["A"] == [None, *[1.0] * 6, *[2.0] * 13]
    assert by_customer["B"] == [None, *[3.0] * 9, *[None] * 10]


def test_a_label_that_is_reversed_in_place_was_the_earlier_one_until_then(tmp_path: Path) -> None:
    case = feed_of_labels()
    write_payments(tmp_path, ["A"])
    verdict = {"payment": 1, "decided": on(2, 10).isoformat(), "wrong": 1}
    reversed_ = {"payment": 1, "decided": on(6, 10).isoformat(), "wrong": 0}
    write_feed(
        tmp_path / "verdicts",
        "000.jsonl",
        [change("c", verdict, 2, 1), change("u", reversed_, 6, 2, before=verdict), change("d", reversed_, 9, 3)],
    )
    catalog = computed(loaded(case, tmp_path, tmp_path / "lake"))
    shares = catalog.features(case.features[1]).read().sort("at")["wrong_15d"].to_list()
    assert shares[:12] == [None, None, None, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, None, None]


def feed_of_labels() -> Any:
    document = declaration(
        name="verdicts_case",
        table="payments",
        events={"payment": "int64", "at": "datetime", "customer": "string", "paid": "float64"},
        label={"wrong": [0, 1]},
        connector={"kind": "files", "format": "csv", "path": "payments.csv"},
        label_source={
            "connector": {"kind": "change_feed", "path": "verdicts", "settle_seconds": 0},
            "columns": [
                {"name": "payment", "description": "payment", "type": "int64"},
                {"name": "decided", "description": "decided", "type": "datetime"},
                {"name": "wrong", "description": "wrong", "type": "int8"},
            ],
            "event_time": "decided",
            "arrival_delay_days": 0,
            "quality": ANY,
        },
        history={"first_day": FIRST, "last_day": FIRST + timedelta(days=DAYS - 1)},
        features=[
            "paid",
            {
                "name": "customer_past",
                "entity": "customer",
                "windows": [
                    {"name": "wrong", "description": "w", "aggregate": "mean", "column": "wrong", "lengths_days": [15]}
                    | {"delay_days": 1}
                ],
            },
        ],
    )
    document["label"]["decided_at"] = "decided"
    return type(limits_case()).model_validate(document)


def test_a_request_knows_of_labels_what_its_day_began_with(tmp_path: Path) -> None:
    case = feed_of_labels()
    write_payments(tmp_path, ["A"])
    verdict = {"payment": 1, "decided": on(2, 10).isoformat(), "wrong": 1}
    reversal = {"payment": 1, "decided": on(6, 10).isoformat(), "wrong": 0}
    other = {"payment": 3, "decided": on(4, 9).isoformat(), "wrong": 0}
    messages = [change("c", verdict, 2, 1), change("c", other, 4, 2), change("u", reversal, 6, 3, before=verdict)]
    write_feed(tmp_path / "verdicts", "000.jsonl", messages)
    catalog = computed(loaded(case, tmp_path, tmp_path / "lake"))
    offline = catalog.features(case.features[1]).read().sort("at")["wrong_15d"].to_list()
    assert offline[2:8] == [None, 1.0, 1.0, 0.5, 0.5, 0.0]
    registry, online = f"sqlite:///{tmp_path / 'registry.db'}", {"type": "sqlite", "path": "online.db"}
    settings = FeastSettings(project="verdicts", registry=registry, online_store=online, home=str(tmp_path))
    for day in (2, 3, 5, 7):
        refresh_online_store(catalog, settings, FIRST + timedelta(days=day - 1), print)
        event = {"payment": 900 + day, "at": on(day, 12), "customer": "A", "paid": 1.0}
        value = OnlineFeatures(case, settings).vector(event).values[1]
        assert (None if value != value else value) == offline[day], day
