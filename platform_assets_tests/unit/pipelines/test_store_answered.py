"""The check of the prediction log that warns of predictions made without the online store."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from platform_assets.orchestration.assets.monitoring import _store_answered
from platform_assets_tests.unit.features.histories import use_case

CASE = use_case()


def log(*fallbacks: str | None) -> pl.DataFrame:
    times = [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in range(len(fallbacks))]
    return pl.DataFrame({CASE.event_time: times, "fallback": pl.Series(fallbacks, dtype=pl.String)})


def test_it_is_green_where_the_store_answered_every_time_and_where_nobody_asked() -> None:
    assert _store_answered(log(None, None), CASE).passed
    assert _store_answered(log(), CASE).passed


def test_it_warns_with_how_many_and_from_when_to_when() -> None:
    found = _store_answered(log(None, "store unreachable", "store unreachable", None), CASE)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    told = {name: value.value for name, value in found.metadata.items()}
    assert (told["predictions"], told["predictions_without_store"]) == (4, 2)
    assert ("01:00" in told["first"], "02:00" in told["last"]) == (True, True)
