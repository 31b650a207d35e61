"""Which logged requests a drill asks again, and that no bit of an answer may differ."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.pipelines.replay_answers import differences, requests_to_ask

DAY = date(2024, 1, 5)


def row(number: int, release: str = "now", day: date = DAY, **other: Any) -> dict[str, Any]:
    at = datetime(2024, 2, 1, tzinfo=UTC) + timedelta(seconds=number)
    made = {"request_id": f"r{number}", "scored_at": at, "release": release, "fallback": None, "event_day": day}
    return made | {"caller_request_id": None, "score": 0.1 + number, "decision": "open", "feature__a": None} | other


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema_overrides={"feature__a": pl.Float64, "caller_request_id": pl.String}, infer_schema_length=None
    )


def test_the_newest_day_is_asked_from_its_first_request_on() -> None:
    rows = frame(
        row(0, day=DAY - timedelta(days=1)),
        row(1, "before"),
        row(2),
        row(3, "before"),
        row(4),
        row(5),
        row(6, "before", day=DAY + timedelta(days=1)),
    )
    day, asked = requests_to_ask(rows, "now", 2)
    assert (day, asked["request_id"].to_list()) == (DAY, ["r1", "r2", "r3", "r4"])
    assert requests_to_ask(rows, "another", 2)[0] is None
    assert requests_to_ask(rows.with_columns(fallback=pl.lit("rule")), "now", 2)[0] is None


def test_a_single_bit_is_a_difference() -> None:
    logged = frame(row(1), row(2), row(3, feature__a=0.5))
    same = logged.with_columns(
        caller_request_id="request_id", request_id=pl.lit("new"), scored_at=pl.lit(datetime.now(UTC))
    )
    assert differences(logged, same, {}) == []
    bit = same.with_columns(score=pl.when(pl.col("score") == 2.1).then(2.1000000000000005).otherwise("score"))
    [wrong] = differences(logged, bit, {})
    assert wrong.startswith("request r2: score 2.1000000000000005, logged 2.1")
    [wrong] = differences(logged, same.with_columns(feature__a=pl.lit(None, pl.Float64)), {})
    assert "feature__a None, logged 0.5" in wrong
    assert differences(logged, same.head(2), {"r3": 503}) == ["request r3 got 503"]
