"""A feed end to end: changes from files to the clean table, and what is told of them."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.connectors import ChangeBatch, read_changes
from platform_assets.declaration import UseCase
from platform_assets.lake.changes import UNKNOWN_DAY
from platform_assets.orchestration.assets import feed
from platform_assets.pipelines.take_in_changes import ingest_batches, today_in
from platform_assets_tests.unit.pipelines.shops import Shop

FIRST, SECOND, THIRD = (date(2018, 4, day) for day in (2, 3, 4))


def row(key: int | None, day: date | str, amount: float = 1.0, **more: Any) -> dict[str, Any]:
    time = day if isinstance(day, str) else f"{day}T12:00:00Z"
    return {
        "transaction_id": key,
        "transaction_time": time,
        "customer_id": 1,
        "terminal_id": 1,
        "amount": amount,
        **more,
    }


def change(lsn: int | None, after: dict[str, Any] | None, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"op": "u" if after else "d", "before": before, "after": after, "source": {"lsn": lsn}, "ts_ms": 1}


def delete(lsn: int, key: int | None) -> dict[str, Any]:
    return change(lsn, None, {"transaction_id": key})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def shop(tmp_path: Path, instance: dg.DagsterInstance) -> Shop:
    return Shop(tmp_path, instance)


def test_changes_reach_the_clean_table(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)), change(2, row(2, FIRST)), change(3, row(3, SECOND)))
    told = shop.feed()
    assert told["rows_by_operation"] == {"upsert": 3, "delete": 0}
    assert told["touched_days"] == [str(FIRST), str(SECOND)]
    shop.clean(FIRST, SECOND)
    shop.deliver(change(4, row(1, FIRST, 5.0)), change(5, row(2, THIRD, 7.0)), delete(6, 3))
    told = shop.feed()
    assert told["touched_days"] == [str(FIRST), str(SECOND), str(THIRD)]
    assert told["moved_rows"] == 1
    shop.clean(FIRST, THIRD)
    assert shop.published()[1] == (FIRST, 5.0)
    assert shop.published()[2] == (THIRD, 7.0)


def test_nothing_new_makes_no_commit_and_tells_no_day(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)))
    shop.feed()
    version = shop.raw().version()
    assert shop.feed()["touched_days"] == []
    assert shop.raw().version() == version
    assert shop.told_days() == [str(FIRST)]


def test_a_day_whose_rows_are_all_gone_is_published_empty(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)), change(2, row(2, SECOND)))
    shop.feed()
    shop.clean(FIRST, SECOND)
    shop.deliver(delete(3, 2))
    assert shop.feed()["touched_days"] == [str(SECOND)]
    shop.clean(SECOND)
    assert shop.published() == {1: (FIRST, 1.0)}


def test_late_changes_and_deletes_of_keys_never_seen(shop: Shop) -> None:
    shop.deliver(change(5, row(1, FIRST, 5.0)), delete(9, 2))
    told = shop.feed()
    assert told["deletes_of_unknown_keys"] == 1
    assert UNKNOWN_DAY in shop.raw().partitions()
    shop.deliver(change(3, row(1, SECOND, 3.0)), change(4, row(2, FIRST, 4.0)), change(5, row(1, FIRST, 5.0)))
    told = shop.feed()
    assert told["late_rows"] == 2
    assert told["duplicates_dropped"] == 1
    shop.clean(FIRST, SECOND)
    assert shop.published() == {1: (FIRST, 5.0)}, "the older change is not the state, and the early delete holds"


def test_deleted_rows_are_kept_where_declared_and_nobody_sees_them(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    shop = Shop(tmp_path, instance, "soft")
    shop.deliver(change(1, row(1, FIRST)), change(2, row(2, FIRST, 2.0)), change(3, row(3, FIRST)), delete(4, 2))
    shop.deliver(change(5, row(3, SECOND)))
    shop.feed()
    shop.clean(FIRST, SECOND)
    assert set(shop.published()) == {1, 3}
    kept = shop.catalog.clean("transactions").stored.read()
    assert kept.filter("is_deleted").select("transaction_id", "amount").rows() == [(2, 2.0)]
    assert shop.catalog.clean("transactions").read(columns=["amount"]).columns == ["amount"]
    assert shop.catalog.clean("transactions").count_by_day() == {FIRST: 1, SECOND: 1}


def test_rows_that_cannot_be_placed_reach_quarantine(shop: Shop) -> None:
    ahead = (today_in() + timedelta(days=400)).isoformat()
    shop.deliver(
        change(1, row(1, FIRST)),
        change(2, row(2, "yesterday")),
        change(3, row(3, ahead)),
        change(4, row(None, FIRST)),
        change(None, row(5, FIRST)) | {"ts_ms": None},
        delete(6, None),
    )
    told = shop.feed()
    assert told["rows_ahead_of_the_clock"] == 1
    shop.clean(FIRST)
    assert set(shop.published()) == {1}
    quarantine = shop.catalog.quarantine("transactions").read()
    found = set(quarantine.select("rule", "column").iter_rows())
    assert ("type", "transaction_time") in found
    assert ("early", "transaction_time") in found
    assert ("not_null", "transaction_id") in found
    assert quarantine.height == 5, "the delete without key is refused as well"
    assert told["rows_without_key_or_sequence"] == 3


def test_a_changed_column_stops_the_batch_and_tells_what_came_before(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)))
    broken = row(2, SECOND)
    broken.pop("amount")
    shop.deliver(change(2, broken))
    name = f"{shop.use_case.name}__raw__transactions_feed"
    run_config = {"ops": {name: {"config": {"max_rows": 1}}}}
    result = shop.materialize("raw", "transactions_feed", run_config=run_config)
    assert not result.success
    [evaluation] = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "amount" in str(evaluation.metadata["explanation"].value)
    assert shop.told_days() == [str(FIRST)]
    assert shop.raw().read().height == 1
    shop.materialize("raw", "transactions_feed", run_config=run_config)
    assert shop.told_days() == [str(FIRST)], "it is not told again while the source stays as it is"


def test_days_of_a_feed_that_died_before_it_told_them_are_told_by_the_next(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)))
    table = shop.raw()

    def read(cursor: str | None) -> ChangeBatch:
        return read_changes(shop.source, shop.folder, cursor, max_rows=100)

    assert len(list(ingest_batches(table, shop.source, read, FIRST, today_in()))) == 1
    assert shop.told_days() == []
    assert shop.feed()["touched_days"] == [str(FIRST)]
    assert shop.told_days() == [str(FIRST)]


def test_of_two_feeds_that_read_the_same_one_commits(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)), change(2, row(2, SECOND)))
    table = shop.raw()

    def read(cursor: str | None) -> ChangeBatch:
        return read_changes(shop.source, shop.folder, cursor, max_rows=100)

    def overtaken(cursor: str | None) -> ChangeBatch:
        batch = read(cursor)
        if cursor is None:
            list(ingest_batches(table, shop.source, read, FIRST, today_in()))
        return batch

    assert list(ingest_batches(table, shop.source, overtaken, FIRST, today_in())) == []
    assert table.read().height == 2


def test_undeclared_columns_are_kept_aside(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST, channel="web")))
    assert shop.feed()["extra_columns"] == ["channel"]
    assert shop.raw().read()["extra"].to_list() == ['{"channel":"web"}']


def test_a_row_of_before_the_history_is_kept_and_tells_no_day(shop: Shop) -> None:
    shop.deliver(change(1, row(1, date(2010, 1, 1))), change(2, row(2, FIRST)))
    told = shop.feed()
    assert told["touched_days"] == [str(FIRST)]
    assert told["waiting_days"] == []
    assert shop.raw().read().height == 2


def test_every_version_is_kept_where_declared(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    shop = Shop(tmp_path, instance, "history")
    shop.deliver(
        change(1, row(1, FIRST, 1.0)), change(2, row(1, SECOND, 2.0)), change(3, row(1, SECOND, 3.0)), delete(4, 1)
    )
    shop.feed()
    for day in (FIRST, SECOND):
        assert shop.materialize("history", "transactions", partition_key=day.isoformat()).success
    table = shop.catalog.history("transactions")
    found = table.read().sort("valid_from").select("event_day", "amount", "operation", "valid_from", "valid_to").rows()
    assert found == [
        (FIRST, 1.0, "upsert", 1, 2),
        (SECOND, 2.0, "upsert", 2, 3),
        (SECOND, 3.0, "upsert", 3, 4),
        (SECOND, None, "delete", 4, None),
    ]
    shop.clean(FIRST, SECOND)
    assert shop.published() == {}


def test_a_day_that_is_not_over_is_told_once_it_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.keep_arriving()
    today = today_in()
    shop.deliver(change(1, row(1, today)), change(2, row(2, FIRST)))
    told = shop.feed()
    assert (told["touched_days"], told["waiting_days"]) == ([str(FIRST)], [str(today)])
    assert shop.feed()["waiting_days"] == [str(today)], "it goes on waiting"

    def a_day_later(_use_case: UseCase) -> dg.DailyPartitionsDefinition:
        return dg.DailyPartitionsDefinition("2018-04-01", end_offset=1)

    monkeypatch.setattr(feed, "event_days", a_day_later)
    told = shop.feed()
    assert (told["touched_days"], told["waiting_days"]) == ([str(today)], [])
    assert shop.told_days() == [str(FIRST), str(today)]


def test_a_source_that_fails_leaves_what_was_committed_before_and_tells_it(shop: Shop) -> None:
    shop.deliver(change(1, row(1, FIRST)))
    shop.feed()
    shop.deliver(change(2, row(2, SECOND)))
    (shop.folder / "in" / "zzz.jsonl").write_bytes(b"\xff\xfe\xfd")
    name = f"{shop.use_case.name}__raw__transactions_feed"
    run_config = {"ops": {name: {"config": {"max_rows": 1}}}}
    for _ in range(2):
        result = shop.materialize("raw", "transactions_feed", run_config=run_config)
        assert not result.success
        assert result.get_asset_check_evaluations() == [], "it is not the columns that are wrong"
    assert shop.told_days() == [str(FIRST), str(SECOND)]
