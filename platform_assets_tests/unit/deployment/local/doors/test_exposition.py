"""Metrics of several processes on one page."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from platform_assets.deployment.local.doors.exposition import Exposed, merged


def exposed(process: str, answers: int) -> Exposed:
    registry = CollectorRegistry()
    counter = Counter("answers_total", "Answers.", ("decision",), registry=registry)
    counter.labels('a "quoted", one').inc(answers)
    Gauge("waiting", "Nothing.", registry=registry).set(answers)
    histogram = Histogram("seconds", "Time.", ("use_case",), buckets=(0.1, 1.0), registry=registry)
    for _ in range(answers):
        histogram.labels("shop").observe(0.5)
    return Exposed({"use_case": "shop", "arm": "shop-1", "process": process}, generate_latest(registry).decode())


def test_every_series_of_every_process_is_there_with_its_process_and_families_stand_once() -> None:
    page = merged([exposed("shop-1-0", 2), exposed("shop-1-1", 3), Exposed({"arm": "shop-1", "process": "dead"}, None)])
    families = list(text_string_to_metric_families(page))
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    series = {
        (s.name, s.labels["process"]): s.value for family in families for s in family.samples if "le" not in s.labels
    }
    assert series["answers_total", "shop-1-0"] == 2
    assert series["answers_total", "shop-1-1"] == 3
    assert series["waiting", "shop-1-1"] == 3
    assert series["seconds_count", "shop-1-0"] == 2
    assert [series["platform_assets_process_up", name] for name in ("shop-1-0", "shop-1-1", "dead")] == [1, 1, 0]
    buckets = [s for family in families for s in family.samples if s.name == "seconds_bucket"]
    assert len(buckets) == 6
    assert {s.labels["decision"] for family in families for s in family.samples if s.name == "answers_total"} == {
        'a "quoted", one'
    }


def test_no_process_is_a_page_without_series() -> None:
    assert next(iter(text_string_to_metric_families(merged([])))).samples == []
