"""The bars of the report, green and red."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.scale.topic import FULL, scale_topic

RUN: dict[str, Any] = {
    "seconds": 10.0,
    "cpu_seconds": 8.0,
    "peak_megabytes": 900.0,
    "shards": 6,
    "segments": 6,
    "repeated": [],
    "digest": "a",
    "difference": 1e-15,
}


def missed(**changes: dict[str, Any]) -> list[str]:
    names = ("few", "polars", "duckdb", "many", "busy", "here", "one", "two", "killed")
    usual = {"many": {"cpu_seconds": 32.0}, "busy": {"cpu_seconds": 40.0}, "two": {"seconds": 5.5}}
    usual["killed"] = {"repeated": ["compute 2 0"]}
    found = {name: {**RUN, **usual.get(name, {}), **changes.get(name, {})} for name in names}
    return [bar.what for bar in scale_topic(found, replace(FULL)).bars if not bar.kept]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"two": {"digest": "b"}}, "the same bits"),
        ({"many": {"cpu_seconds": 40.0}}, "CPU a million events"),
        ({"two": {"peak_megabytes": 3100.0}}, "at most 3000 MB"),
        ({"busy": {"cpu_seconds": 49.0}}, "a tenth of all events"),
        ({"killed": {"repeated": []}}, "a killed worker"),
        ({"killed": {"repeated": ["compute 2 0", "scatter 1"]}}, "a killed worker"),
        ({"two": {"seconds": 9.0}}, "two workers"),
        ({"duckdb": {"difference": 1e-6}}, "duckdb gives the same answers"),
    ],
)
def test_each_bar_can_be_missed(changes: dict[str, dict[str, Any]], words: str) -> None:
    assert missed() == []
    (bar,) = missed(**changes)
    assert words in bar


def test_a_peer_that_did_not_end_is_shown_and_promises_nothing() -> None:
    lost = {"seconds": float("inf"), "cpu_seconds": float("inf"), "peak_megabytes": 0.0, "difference": None}
    assert missed(polars=lost) == []
