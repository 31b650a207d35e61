"""What a scrape gets where a part cannot be read, is slow, or has nothing more to say."""

from collections.abc import Iterable
from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from platform_assets.monitoring.telemetry.catalogue import CLOCK, LAKE, METRICS, MODELS, OWN_METRICS, PARTS
from platform_assets.monitoring.telemetry.exporter import MetricsPart, PlatformCollector, Question, Sample, page


class Source:
    """Something that is read, and may break."""

    def __init__(self, *samples: Sample) -> None:
        self.samples: Iterable[Sample] = samples
        self.broken = False
        self.reads = 0

    def __call__(self) -> Iterable[Sample]:
        self.reads += 1
        if self.broken:
            raise OSError("the disk is gone")
        return self.samples


class Time:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def rows(table: str, value: float) -> Sample:
    return Sample("table_rows", ("shop", "clean", table), value)


def series(collector: PlatformCollector) -> dict[tuple[str, str], float]:
    """Values by name and last label."""
    samples = [sample for family in text_string_to_metric_families(page(collector)) for sample in family.samples]
    return {
        (
            sample.name.removeprefix("platform_assets_"),
            sample.labels.get("table") or sample.labels.get("part") or "",
        ): sample.value
        for sample in samples
    }


def collector(*parts: tuple[str, list[Question]], clock: Time | None = None) -> PlatformCollector:
    return PlatformCollector([MetricsPart(name, partial(list, asked)) for name, asked in parts], clock=clock or Time())


def test_what_cannot_be_read_is_absent_and_counted_and_takes_nothing_else_down() -> None:
    good, bad, clock = Source(rows("good", 1)), Source(rows("bad", 2)), Time()
    exporter = collector((LAKE, [bad, good]), (CLOCK, [Source(Sample("clock_timestamp_seconds", (), 7))]), clock=clock)
    assert series(exporter)["table_rows", "bad"] == 2
    bad.broken, clock.now = True, 100
    now = series(exporter)
    assert ("table_rows", "bad") not in now
    assert (now["table_rows", "good"], now["clock_timestamp_seconds", ""]) == (1, 7)
    assert (now["exporter_errors_total", LAKE], now["exporter_errors_total", CLOCK]) == (1, 0)
    bad.broken, clock.now = False, 200
    now = series(exporter)
    assert (now["table_rows", "bad"], now["exporter_errors_total", LAKE]) == (2, 1)


def test_a_part_that_cannot_say_what_there_is_to_read_says_nothing() -> None:
    def questions() -> Iterable[Question]:
        yield Source(rows("orders", 1))
        raise PermissionError("the folder cannot be listed")

    now = series(PlatformCollector([MetricsPart(LAKE, questions)]))
    assert now["exporter_errors_total", LAKE] == 1
    assert not [name for name, _ in now if name == "table_rows"]


def test_a_table_that_is_gone_leaves_no_gauge() -> None:
    source, clock = Source(rows("orders", 1), rows("returns", 2)), Time()
    exporter = collector((LAKE, [source]), clock=clock)
    assert ("table_rows", "returns") in series(exporter)
    source.samples, clock.now = [rows("orders", 1)], 100
    assert ("table_rows", "returns") not in series(exporter)


def test_a_part_is_kept_for_15_seconds_and_a_slow_one_for_20_times_what_it_took() -> None:
    clock, quick = Time(), Source(rows("orders", 1))
    takes_two_seconds = Source(Sample("model_as_of_timestamp_seconds", ("shop", "1"), 1))

    def slow() -> Iterable[Sample]:
        clock.now += 2
        return takes_two_seconds()

    exporter = collector((LAKE, [quick]), (MODELS, [slow]), clock=clock)
    for moment, reads in ((0, (1, 1)), (14, (1, 1)), (16, (2, 1)), (41, (3, 1)), (43, (3, 2))):
        clock.now = moment
        series(exporter)
        assert (quick.reads, takes_two_seconds.reads) == reads, moment


def test_samples_are_of_registered_metrics_alone() -> None:
    with pytest.raises(KeyError, match="unheard_of"):
        page(collector((CLOCK, [Source(Sample("unheard_of", (), 1))])))


def test_every_metric_is_listed_once_with_a_known_part_and_a_sentence() -> None:
    names = [metric.name for metric in (*METRICS, *OWN_METRICS)]
    assert len(set(names)) == len(names)
    assert {metric.part for metric in METRICS} == set(PARTS)
    for metric in (*METRICS, *OWN_METRICS):
        assert metric.meaning.endswith("."), metric
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        assert not metric.name.endswith(("_ms", "_minutes", "_hours", "_days", "_percent", "_mb")), metric
