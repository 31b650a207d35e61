"""The stream door with a real broker: nothing lost, nothing doubled, in order of key, whatever is killed when."""

import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.testing.kafka_broker import KafkaBroker, kafka_broker
from platform_assets.testing.servers import free_port
from platform_assets_tests.serving.stream_world import StreamWorld, release_folder, streamed_case
from serving.doors.broker import Broker, BrokersAway, StreamDoorError

EVENTS, LOTS, KILLS = 3000, 5, 3


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with kafka_broker() as running:
        yield running


@pytest.fixture(scope="module")
def world(broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamWorld]:
    folder = tmp_path_factory.mktemp("stream")
    case = streamed_case("parking")
    made = StreamWorld(folder, broker, case, release_folder(folder, case))
    broker.create(*made.topics)
    try:
        yield made
    finally:
        if made.process is not None:
            made.end(signal.SIGKILL)


def test_a_killed_process_loses_nothing_doubles_nothing_and_keeps_the_order_of_keys(world: StreamWorld) -> None:
    world.send(range(EVENTS), LOTS)
    for kill in range(KILLS):
        before = len(world.lines())
        world.start()
        world.eventually(lambda seen=before + 40 + 230 * kill: len(world.lines()) >= seen)  # within a batch of 500
        world.end(signal.SIGKILL)
    assert len(world.lines()) > sum(map(len, world.answers().values())), "some were killed before their commit"
    world.start()
    world.eventually(lambda: sum(map(len, world.answers().values())) >= EVENTS)
    assert world.end() == 0
    answers = world.answers()
    for key, given in answers.items():
        numbers = [int(answer["event"]["arrival"].removeprefix("T-")) for answer in given]
        assert numbers == list(range(int(key), EVENTS, LOTS))
    read = read_segments(world.folder / "log", world.case)
    assert (read.frame.height, read.bad_lines) == (EVENTS, ())
    committed = {answer["request_id"]: answer["probability"] for given in answers.values() for answer in given}
    logged = dict(read.frame.select("request_id", "score").iter_rows())
    assert committed.keys() == logged.keys()
    assert max(abs(committed[name] - score) for name, score in logged.items()) < 1e-6


def test_what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_is_scored(world: StreamWorld) -> None:
    before = sum(map(len, world.answers().values()))
    world.broker.produce(world.topics[0], [("1", b"{"), ("1", None), ("1", b'{"lot": 1}')])
    world.send(range(EVENTS, EVENTS + 3), LOTS)
    world.start()
    world.eventually(lambda: sum(map(len, world.answers().values())) == before + 3)
    assert world.end() == 0
    letters = [dict(message.headers()) for message in world.broker.committed(world.topics[2])]
    assert sorted(letter["reason"] for letter in letters) == [b"empty", b"not JSON", b"refused"]
    assert {letter["source-topic"] for letter in letters} == {world.topics[0].encode()}
    assert (
        "1 dead letters (empty), 1 dead letters (not JSON), 1 dead letters (refused), 3 scored"
        in world.output.read_text()
    )


def test_a_store_that_does_not_answer_stops_the_stream_and_skips_nothing(world: StreamWorld) -> None:
    before, asked = sum(map(len, world.answers().values())), world.output.read_text().count("asked again")
    world.start()
    world.printed("scoring topic", times=world.starts)
    (world.folder / "down").touch()
    world.send(range(EVENTS + 3, EVENTS + 6), LOTS)
    world.printed("connection refused; asked again", times=asked + 1)
    assert sum(map(len, world.answers().values())) == before
    (world.folder / "down").unlink()
    world.eventually(lambda: sum(map(len, world.answers().values())) == before + 3)
    assert world.end() == 0


def test_brokers_that_are_away_and_lacking_topics_are_told(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = streamed_case("nowhere").serving.stream
    assert stream is not None
    with pytest.raises(
        StreamDoorError, match=r"no topic nowhere-events, nowhere-scores, nowhere-scores\.dead-letters at the"
    ):
        Broker("nowhere", stream, {"bootstrap.servers": broker.brokers}).connect()
    monkeypatch.setattr("serving.doors.broker.ANSWER_SECONDS", 0.5)
    with pytest.raises(BrokersAway, match="the brokers in PARKING_BROKERS do not answer"):
        Broker("nowhere", stream, {"bootstrap.servers": f"127.0.0.1:{free_port()}"}).connect()


def test_a_reader_keeps_the_later_line_of_an_id(world: StreamWorld) -> None:
    lines = world.lines()
    assert len({line["request_id"] for line in lines}) < len(lines), "some were scored again after a kill"
    read = read_segments(world.folder / "log", world.case)
    newest = {line["request_id"]: line["scored_at"] for line in sorted(lines, key=lambda line: line["scored_at"])}
    for name, scored_at in read.frame.select("request_id", "scored_at").iter_rows():
        assert abs(scored_at - scored_at.fromisoformat(newest[name])) < timedelta(microseconds=1)
