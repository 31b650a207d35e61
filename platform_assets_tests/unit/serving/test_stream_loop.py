"""The stream's loop without a broker: what is committed when something does not take part, and that nothing is skipped."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from platform_assets_tests.serving.parking import make_model, release_info, use_case
from serving.doors.broker import Broker, BrokersAway, StreamDoorError, TransactionGivenUp
from serving.doors.messages import MessageOutcome, MessageScorer, TopicMessage, TryAgain
from serving.doors.stream import Stream, StreamMetrics, stream_release
from serving.release import read_release, write_release


@dataclass
class FakeTopic:
    """Partitions of numbered messages, read in batches of any size; transactions fail as planned."""

    partitions: list[int]
    batches: list[int]
    failures: list[bool]
    away: int = 0
    next: dict[int, int] = field(default_factory=dict)
    written: list[tuple[int, int]] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)

    def connect(self) -> None:
        self.away -= 1
        if self.away >= 0:
            raise BrokersAway("nobody there")

    def take(self) -> list[TopicMessage]:
        most = self.batches.pop() if self.batches else 5
        taken = []
        for partition, end in enumerate(self.partitions):
            while len(taken) < most and self.next.get(partition, 0) < end:
                offset = self.next.get(partition, 0)
                taken.append(TopicMessage("events", partition, offset, b"k", b"{}"))
                self.next[partition] = offset + 1
        return taken

    def commit(self, outcomes: Sequence[MessageOutcome]) -> None:
        if self.failures and self.failures.pop():
            raise TransactionGivenUp("timed out")
        for outcome in outcomes:
            place = outcome.message.partition, outcome.message.offset
            assert self.offsets.get(place[0], 0) == place[1], "in order, none twice, none left out"
            self.offsets[place[0]] = place[1] + 1
            self.written.append(place)

    def rewind(self, messages: Iterable[TopicMessage]) -> None:
        for message in messages:
            self.next[message.partition] = min(message.offset, self.next[message.partition])

    @property
    def done(self) -> bool:
        return len(self.written) == sum(self.partitions)


@dataclass
class FakeScorer:
    outages: list[bool]
    dead: set[int] = field(default_factory=set)

    def score(self, message: TopicMessage) -> MessageOutcome:
        if self.outages and self.outages.pop():
            raise TryAgain("the store is away")
        return MessageOutcome(message, b"", (), "refused" if message.offset in self.dead else None)

    def settle(self, stop: threading.Event) -> bool:
        return not stop.is_set()


class Impatient(threading.Event):
    """Waits for nothing."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def stream_of(topic: FakeTopic, scorer: FakeScorer) -> Stream:
    metrics = StreamMetrics("parking", CollectorRegistry())
    return Stream(cast(Broker, topic), cast(MessageScorer, scorer), metrics)


@settings(max_examples=60, deadline=None)
@given(
    partitions=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    batches=st.lists(st.integers(1, 7), max_size=8),
    failures=st.lists(st.booleans(), max_size=8),
    outages=st.lists(st.booleans(), max_size=30),
    dead=st.sets(st.integers(0, 12)),
)
def test_each_message_is_committed_once_in_order_whatever_fails(
    partitions: list[int], batches: list[int], failures: list[bool], outages: list[bool], dead: set[int]
) -> None:
    topic, stop = FakeTopic(partitions, batches, failures), Impatient()
    stream = stream_of(topic, FakeScorer(outages, dead))
    for _ in range(200):
        if topic.done:
            break
        stream._batch(stop)
    assert topic.done
    assert stream.counts.total() == sum(partitions)
    assert stream.counts["dead letters (refused)"] == sum(offset in dead for _, offset in topic.written)


def test_a_stop_before_the_store_has_the_events_commits_nothing() -> None:
    topic, stop = FakeTopic([3], [], []), Impatient()
    stop.set()
    stream_of(topic, FakeScorer([]))._batch(stop)
    assert (topic.written, topic.offsets) == ([], {})


def test_brokers_that_are_away_are_asked_again_with_growing_pauses_until_the_stop() -> None:
    pauses: list[float] = []

    class Counting(Impatient):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            return False

    topic = FakeTopic([1], [], [], away=4)
    stream_of(topic, FakeScorer([])).connect(Counting())
    assert pauses == [0.2, 0.4, 0.8, 1.6]
    stopped = Impatient()
    stopped.set()
    stream_of(FakeTopic([1], [], [], away=4), FakeScorer([])).connect(stopped)


def test_a_release_that_declares_no_topics_is_refused(tmp_path: Path) -> None:
    predictor = make_model(tmp_path / "model", "constant")
    write_release(tmp_path / "release", use_case(), tmp_path / "model", release_info(predictor))
    with pytest.raises(StreamDoorError, match="declares no topics"):
        stream_release(read_release(tmp_path / "release"), None, Impatient(), 0, {})
