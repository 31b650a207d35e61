"""Figures out of a page of metrics: of several processes, of one use case."""

import pytest

from platform_assets.pipelines.use_case_state.service import _figures, samples

METRICS = """# HELP platform_assets_prediction_seconds Time.
# TYPE platform_assets_prediction_seconds histogram
platform_assets_prediction_seconds_bucket{use_case="parking",arm="a",process="1",le="0.005"} 50
platform_assets_prediction_seconds_bucket{use_case="parking",arm="a",process="1",le="0.01"} 90
platform_assets_prediction_seconds_bucket{use_case="parking",arm="a",process="1",le="+Inf"} 100
platform_assets_prediction_seconds_count{use_case="parking",arm="a",process="1"} 100
platform_assets_prediction_seconds_bucket{use_case="parking",arm="a",process="2",le="0.005"} 50
platform_assets_prediction_seconds_bucket{use_case="parking",arm="a",process="2",le="0.01"} 110
platform_assets_prediction_seconds_bucket{use_case="parking",arm="a",process="2",le="+Inf"} 110
platform_assets_prediction_seconds_count{use_case="parking",arm="a",process="2"} 110
platform_assets_requests_total{use_case="parking",outcome="answered",process="1"} 100
platform_assets_requests_total{use_case="parking",outcome="refused",process="1"} 7
platform_assets_requests_total{use_case="parking",outcome="failed",process="1"} 2
platform_assets_requests_total{use_case="parking",outcome="failed",process="2"} 3
platform_assets_requests_total{use_case="other",outcome="failed",process="3"} 90
platform_assets_release_info{use_case="parking",model_version="3",release="r"} 1
broken line
"""


def test_processes_add_up_and_other_use_cases_do_not() -> None:
    figures = _figures(METRICS, "parking")
    assert (figures["requests"], figures["errors"], figures["model_version"]) == (210, 5, "3")
    assert figures["p50_ms"] == pytest.approx(5.25)  # 100 of 210 lie below 5 ms, another 100 below 10
    assert figures["p99_ms"] == 10.0  # beyond the last finite bound nothing is known


def test_no_answer_has_no_latency_and_two_versions_have_no_single_one() -> None:
    nothing = _figures("platform_assets_prediction_seconds_count 0\n", "parking")
    assert (nothing["requests"], nothing["p50_ms"], nothing["model_version"]) == (0, None, None)
    two = METRICS + 'platform_assets_release_info{use_case="parking",model_version="4",release="s"} 1\n'
    assert _figures(two, "parking")["model_version"] is None


def test_labels_may_hold_anything() -> None:
    ((name, labels, value),) = samples('x{a="1,b=\\"2\\"}",c="}"} 3e2')
    assert (name, value, labels["c"]) == ("x", 300.0, "}")
