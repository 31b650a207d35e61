"""Figures of the service by day."""

import json
from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl
import pytest

from platform_assets.monitoring.latency import service_days


def test_figures_of_each_day(make_log: Callable[..., pl.DataFrame]) -> None:
    log = make_log(
        [0.5] * 8,
        days=2,
        latency_ms=[1.0, 2.0, 3.0, 4.0, 10.0, 10.0, 10.0, 30.0],
        unknown_entities=["", "carrier", "carrier,route", None, "", "", "", ""],
        decision=["ship", "ship", "ship", "inspect", None, None, None, None],
        model_version=["1", "1", "2", "2", "2", "2", "2", "2"],
    )
    first, second = service_days(log)
    assert (first.day, first.predictions) == (date(2024, 3, 1), 4)
    assert (first.latency_p50_ms, first.latency_max_ms) == (2.5, 4.0)
    assert (first.latency_p95_ms, first.latency_p99_ms) == (pytest.approx(3.85), pytest.approx(3.97))
    assert first.unknown_entity_ratio == {"carrier": 0.5, "route": 0.25}
    assert first.any_unknown_entity_ratio == 0.5
    assert first.decision_ratio == {"inspect": 0.25, "ship": 0.75}
    assert first.model_version_ratio == {"1": 0.5, "2": 0.5}
    assert second.day == date(2024, 3, 2)
    assert (second.unknown_entity_ratio, second.any_unknown_entity_ratio, second.decision_ratio) == ({}, 0.0, {})
    assert json.loads(json.dumps(second.to_dict()))["day"] == "2024-03-02"


def test_percentiles_are_numpys(make_log: Callable[..., pl.DataFrame]) -> None:
    latency = np.random.default_rng(0).lognormal(size=500)
    (day,) = service_days(make_log([0.5] * 500, latency_ms=latency))
    expected = np.percentile(latency, [50, 95, 99])
    assert [day.latency_p50_ms, day.latency_p95_ms, day.latency_p99_ms] == pytest.approx(expected.tolist())


def test_an_empty_log_has_no_days(make_log: Callable[..., pl.DataFrame]) -> None:
    assert service_days(make_log([0.5]).clear()) == ()
