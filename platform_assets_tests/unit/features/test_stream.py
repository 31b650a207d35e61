"""Streamed events leave the online store as the offline computation has it, however they are delivered."""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration import UseCase
from platform_assets.features.entity_state import entity_state, state_layout
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.state_table import decode_events, online_table
from platform_assets.features.online.store import apply, write_state
from platform_assets.features.streaming.event_sources import Arrival, EventQueue, kafka_events, stream_connector
from platform_assets.features.streaming.offsets import Position
from platform_assets.features.streaming.writer import (
    ADDED,
    CHANGED,
    DELETED,
    FUTURE,
    REFUSED,
    SEEN,
    TOO_OLD,
    StreamWriter,
    run_stream,
)
from platform_assets.testing.servers import Kafka, kafka, redis
from platform_assets_tests.unit.features.histories import (
    FIRST_DAY,
    LAST_DAY,
    MIDNIGHT,
    histories,
    rich_case,
    use_case,
    view_of,
)

STREAM = {"kind": "kafka", "topic": "payments", "brokers": "BROKERS"}


def streaming(made: UseCase, topic: str = "payments") -> UseCase:
    """The same use case, its events on a topic."""
    document = made.model_dump(mode="json")
    document["sources"][0]["stream"] = {**STREAM, "topic": topic}
    return UseCase.model_validate(document)


CASE = streaming(use_case())
RICH = streaming(rich_case())
AT = MIDNIGHT + timedelta(days=6)
AT_DAY = FIRST_DAY + timedelta(days=6)
ENTITIES = count(10_000, 10)
FIELDS = ("payment_id", "paid_at", "card_id", "shop_id", "amount")


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeastSettings]:
    home = tmp_path_factory.mktemp("feast")
    fields = {"project": "payments", "registry": f"sqlite:///{home / 'registry.db'}", "home": str(home)}
    if request.param == "sqlite":
        made = FeastSettings(online_store={"type": "sqlite", "path": "online.db"}, **fields)
        apply(RICH, made)
        yield made
    else:
        with redis() as server:
            made = FeastSettings(online_store=server.online_store, **fields)
            apply(RICH, made)
            yield made


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> FeastSettings:
    home = tmp_path_factory.mktemp("plain")
    made = FeastSettings(
        project="payments",
        registry=f"sqlite:///{home / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(home),
    )
    apply(CASE, made)
    return made


@pytest.fixture(scope="module")
def writer(plain: FeastSettings) -> StreamWriter:
    return StreamWriter(CASE, plain)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kafka]:
    with kafka() as running:
        yield running


def payment(card: int, key: int, days: float, amount: Any = 1.0) -> dict[str, Any]:
    at = MIDNIGHT + timedelta(days=days)
    return {"payment_id": key, "paid_at": at, "card_id": card, "shop_id": card, "amount": amount}


def arrivals(case: UseCase, events: Sequence[Any]) -> list[Arrival]:
    queue = EventQueue(case)
    for event in events:
        queue.put(event)
    found: list[Arrival] = []
    while len(found) < len(events):
        found += queue.take()
    return found


def outcome(writer: StreamWriter, *events: Any) -> dict[str, int]:
    return {name: number for name, number in writer.write(arrivals(CASE, events)).counts.items() if number}


def offline(events: pl.DataFrame, case: UseCase) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {key: [] for key in events["payment_id"]}
    for view in case.features:
        for row in compute_view(view, case, events, FIRST_DAY, LAST_DAY).to_dicts():
            found[row["payment_id"]] += [np.nan if row[name] is None else row[name] for name in view.feature_names]
    return found


def stored_keys(settings: FeastSettings, case: UseCase, card: int) -> list[int]:
    layout = state_layout(view_of(case, "card_activity"), case)
    fields = online_table(layout, feast_store(settings)).read([card])[0]
    return [] if fields is None else list(decode_events(fields, layout, card).keys[0])


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(max_size=25), data=st.data())
def test_any_order_duplicates_and_restarts_end_in_the_offline_values_to_the_bit(
    settings: FeastSettings, history: Any, data: st.DataObject
) -> None:
    """A batch state as of day 6, then the later events shuffled, doubled, in batches of any size, by writers that come and go."""
    entity = next(ENTITIES)
    events, labels = history
    events = events.with_columns(pl.col("card_id") + entity, pl.col("shop_id") + entity)
    known = labels.filter(pl.col("event_day") + pl.duration(days=RICH.label_delay_days) <= AT_DAY)
    labelled = join_labels(events, known, RICH)
    for view in RICH.features:
        write_state(view, entity_state(view, RICH, labelled, AT), settings, RICH)
    later = labelled.filter(pl.col("paid_at") >= AT).sort("paid_at", "payment_id")
    sent = arrivals(RICH, later.select(FIELDS).to_dicts())
    if sent:
        again = data.draw(st.lists(st.sampled_from(sent), max_size=8))
        delivered = data.draw(st.permutations([*sent, *again]))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(delivered)), max_size=3)))
        for start, end in zip([0, *cuts], [*cuts, len(delivered)], strict=True):
            StreamWriter(RICH, settings).write(delivered[start:end])
    expected, online = offline(labelled, RICH), OnlineFeatures(RICH, settings)
    newest = later.filter(pl.col("paid_at") >= pl.col("paid_at").max() - pl.duration(days=1))
    for row in newest.to_dicts():
        event = {name: row[name] for name in FIELDS}
        np.testing.assert_array_equal(online.vector(event).values, expected[row["payment_id"]])


def test_what_becomes_of_each_event_is_counted(plain: FeastSettings, writer: StreamWriter) -> None:
    card = next(ENTITIES)
    assert outcome(writer, payment(card, 1, 6.0), payment(card, 2, 20.0)) == {ADDED: 2}
    assert outcome(writer, payment(card, 2, 20.0)) == {SEEN: 1}
    assert outcome(writer, payment(card, 2, 20.0, 5.0)) == {CHANGED: 1}
    assert outcome(writer, payment(card, 3, 1.0)) == {TOO_OLD: 1}
    assert outcome(writer, {**payment(card, 4, 0), "paid_at": datetime.now(UTC) + timedelta(days=3)}) == {FUTURE: 1}
    assert stored_keys(plain, CASE, card) == [2]


def test_a_bad_row_is_refused_with_its_reason_and_good_ones_beside_it_count(
    plain: FeastSettings, writer: StreamWriter
) -> None:
    card = next(ENTITIES)
    bad: list[Any] = [
        b"not json",
        {**payment(card, 1, 6.5), "amount": "much"},
        {**payment(card, 2, 6.5), "paid_at": None},
        {**payment(card, 3, 6.5), "payment_id": None},
    ]
    written = writer.write(arrivals(CASE, [*bad, payment(card, 4, 6.5)]))
    assert {name: number for name, number in written.counts.items() if number} == {REFUSED: 4, ADDED: 1}
    assert any("amount='much' breaks type" in reason for reason in written.examples) or len(written.examples) == 3
    assert stored_keys(plain, CASE, card) == [4]


def test_rows_of_another_shape_do_not_stop_the_stream(plain: FeastSettings, writer: StreamWriter) -> None:
    card = next(ENTITIES)
    strange: list[Any] = [{"something": number} for number in range(30)]
    assert outcome(writer, *strange) == {REFUSED: 30}
    assert outcome(writer, *strange, payment(card, 1, 6.5)) == {REFUSED: 30, ADDED: 1}
    assert stored_keys(plain, CASE, card) == [1]


def test_labels_of_the_batch_survive_a_redelivered_event(plain: FeastSettings, writer: StreamWriter) -> None:
    card = next(ENTITIES)
    event = payment(card, 1, 2.0)
    rows = pl.DataFrame([{**event, "event_day": event["paid_at"].date()}]).with_columns(
        pl.lit(1, pl.Int8).alias("is_bad")
    )
    for name in ("card_activity", "shop_risk"):
        view = view_of(CASE, name)
        write_state(view, entity_state(view, CASE, rows, AT), plain, CASE)
    assert outcome(writer, event) == {SEEN: 1}
    place = CASE.feature_names.index("shop_bad_ratio_3d")
    assert OnlineFeatures(CASE, plain).vector(payment(card, 2, 4.5)).values[place] == 1.0


def test_a_request_and_its_streamed_event_count_once(plain: FeastSettings, writer: StreamWriter) -> None:
    card, online = next(ENTITIES), OnlineFeatures(CASE, plain)
    place = CASE.feature_names.index("card_count_1d")
    first, second = payment(card, 1, 6.5), payment(card, 2, 6.6)
    assert online.vector(first).values[place] == 1.0
    writer.write(arrivals(CASE, [first]))
    assert online.vector(first).values[place] == 1.0, "the event arrived before its request"
    online.record(first)
    assert online.vector(second).values[place] == 2.0


def test_kafka_goes_on_where_it_stopped(plain: FeastSettings, cluster: Kafka) -> None:
    """One process after the other: each message is written once, and what came in between is not lost."""
    case = streaming(use_case(), "goes_on")
    access = Access(variables={"BROKERS": cluster.brokers})
    card = next(ENTITIES)

    def produce(*events: dict[str, Any]) -> None:
        for event in events:
            text = json.dumps(event, default=lambda time: time.isoformat())
            cluster.produce("goes_on", text, partition=event["payment_id"] % 4)

    def run(until: int) -> dict[str, int]:
        writer, stop = StreamWriter(case, plain), threading.Event()
        seen: list[int] = []

        def count_up(written: Any) -> None:
            seen.append(written.counts.total())
            if sum(seen) >= until:
                stop.set()

        with kafka_events(case, access, writer.offsets.next_offsets) as events:
            return {name: n for name, n in run_stream(events, writer, stop, count_up).counts.items() if n}

    produce(*(payment(card, key, 6.5 + key / 100) for key in range(6)))
    assert run(6) == {ADDED: 6}
    produce(*(payment(card, key, 6.5 + key / 100) for key in range(6, 9)))
    cluster.produce("goes_on", None, key=json.dumps({"payment_id": 1}), partition=1)
    assert run(4) == {ADDED: 3, DELETED: 1}
    assert stored_keys(plain, CASE, card) == list(range(9))
    offsets = StreamWriter(case, plain).offsets
    newest = {name: position.newest for name, position in offsets.read(["goes_on[0]", "goes_on[3]"]).items()}
    assert max(newest.values()) == payment(card, 8, 6.58)["paid_at"]
    offsets.write([("goes_on[0]", Position(99, AT))], datetime.now(UTC))
    produce(payment(card, 12, 6.7))
    assert run(4) == {SEEN: 3, ADDED: 1}, "a topic made anew is read from its first message"


def test_a_store_that_does_not_answer_loses_nothing(
    plain: FeastSettings, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, queue, stop = next(ENTITIES), EventQueue(CASE), threading.Event()
    queue.put(payment(card, 1, 6.5))
    write, failures = writer.write, iter([OSError("gone"), OSError("gone")])

    def sometimes(batch: Any) -> Any:
        for error in failures:
            raise error
        return write(batch)

    monkeypatch.setattr(writer, "write", sometimes)
    total = run_stream(queue, writer, stop, lambda written: stop.set(), retry_seconds=0.01)
    assert total.counts[ADDED] == 1
    assert stored_keys(plain, CASE, card) == [1]


def test_a_topic_that_is_not_there_and_a_use_case_without_one_are_told(plain: FeastSettings, cluster: Kafka) -> None:
    access = Access(variables={"BROKERS": cluster.brokers})
    with pytest.raises(FeatureError, match="names no topic"), kafka_events(use_case(), access, lambda names: {}):
        pass
    nowhere = streaming(use_case(), "nowhere")
    with pytest.raises(SourceError, match="topic 'nowhere'"), kafka_events(nowhere, access, lambda names: {}):
        pass
    assert stream_connector(use_case()) is None


def test_another_contract_than_the_store_knows_is_refused(plain: FeastSettings) -> None:
    features = [view.model_dump() for view in use_case().features]
    features[0]["rows"][1]["expression"] = "amount + 1"
    with pytest.raises(StateError, match="has no feature service"):
        StreamWriter(streaming(use_case(features=features)), plain)


def test_only_the_event_source_streams() -> None:
    document = use_case().model_dump(mode="json")
    document["sources"][1]["stream"] = STREAM
    with pytest.raises(ValueError, match="only the event source streams"):
        UseCase.model_validate(document)
