"""Metrics of several processes on one page."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from platform_assets.deployment.local.doors.exposition import Exposed, merged
from platform_assets.deployment.local.doors.proxy import proxy_page, proxy_text


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


def test_the_proxy_s_counts_of_the_arms_of_a_use_case() -> None:
    stats = {
        "stats": [
            {"name": "cluster.shop-1.upstream_rq_completed", "value": 7},
            {"name": "cluster.shop-1.upstream_rq_5xx", "value": 2},
            {"name": "cluster.shop-1.membership_healthy", "value": 1},
            {"name": "cluster.lot-1.upstream_rq_completed", "value": 9},
            {"histograms": {}},
        ]
    }
    page = merged([]) + proxy_text(stats, "shop", ["shop-1", "shop-2"])
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    assert {(sample.name, sample.value) for sample in samples} == {
        ("platform_assets_proxy_requests_total", 7),
        ("platform_assets_proxy_errors_total", 2),
        ("platform_assets_proxy_healthy_processes", 1),
    }
    assert {tuple(sample.labels.items()) for sample in samples} == {(("use_case", "shop"), ("arm", "shop-1"))}


def test_a_proxy_that_does_not_answer_leaves_no_count(tmp_path: Path) -> None:
    assert asyncio.run(proxy_page(tmp_path / "nobody.sock", "shop", ["shop-1"])) == ""
