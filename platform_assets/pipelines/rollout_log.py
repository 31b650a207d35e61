"""What the prediction log says of two versions that stand beside each other, with only the columns that a verdict needs.

Belongs here: finding the segments, and which rows count; pairs of answers to one request. Does not belong here: the log's full reading, bad
lines included (`monitoring/prediction_log.py`), parsing (`parsed_segments.py`), or what is made of the rows (`rollout_evidence.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, SHADOW, live_rows
from platform_assets.monitoring.log_segments import segment_paths
from platform_assets.pipelines.parsed_segments import ParsedSegments

DIGEST_CHARACTERS = 12
"""So much of a release's digest stands in the version that a target knows it by."""
ANNOUNCED_WITHIN_MICROSECONDS = 1_000_000
"""An event counts for others at most so long after it was scored: until then a look-up may see it or not."""
_PLAIN = (pl.String, pl.Boolean, pl.Float64, pl.Int64)
_SHADOW_SUFFIX = "_of_shadow"


@dataclass(frozen=True)
class AnswerPairs:
    """Two answers to one request, of the version that serves and of the one in shadow.

    Attributes:
        frame: one row for each pair that can be compared: the columns of the log, those of the shadow with the suffix `_of_shadow`.
        disturbed: pairs whose entity had another event in between, so that the two may have seen different histories.
        unlike: pairs of which one answered without the online store, or took an entity for unknown that the other knew.
    """

    frame: pl.DataFrame
    disturbed: int
    unlike: int


@dataclass(frozen=True)
class RolloutLog:
    """What the log holds of a while.

    Attributes:
        rows: one for each request, ordered by (scored_at, request_id).
        unreadable: lines of the same segments that are no prediction, or whose time, release, score or latency cannot be read.
    """

    rows: pl.DataFrame
    unreadable: int


def read_rollout_log(folder: Path, use_case: UseCase, since: datetime, pieces: Path | None = None) -> RolloutLog:
    """Rows that were scored from a moment on, whatever version made them.

    Args:
        folder: where the service's processes write their segments.
        use_case: gives the columns.
        since: wall-clock time, as the services saw it.
        pieces: folder in which rows that were parsed are kept for the next look; None parses everything.
    """
    schema = _schema(use_case)
    parsed = ParsedSegments(schema, pieces)
    read = [pl.DataFrame(schema=schema)]
    for path in segment_paths(folder):
        if path.stat().st_mtime >= since.timestamp():
            read += parsed.rows(path)
    parsed.forget_others()
    rows = pl.concat(read).with_columns(pl.col("scored_at").str.to_datetime("%+", time_unit="us", strict=False))
    readable = pl.all_horizontal(
        pl.col("scored_at", "release").is_not_null(), pl.col("score", "latency_ms").is_finite().fill_null(value=False)
    )
    unreadable = rows.height - int(rows.select(readable.sum()).item())
    rows = rows.filter(readable, pl.col("scored_at") >= since)
    return RolloutLog(
        rows.unique("request_id", keep="first", maintain_order=True).sort("scored_at", "request_id"), unreadable
    )


def of_release(rows: pl.DataFrame, version: str) -> pl.DataFrame:
    """The rows of the release that a target knows as `v<model version>-<digest>`."""
    digest = pl.col("release").str.strip_prefix("sha256:").str.head(DIGEST_CHARACTERS)
    return rows.filter(digest == version.rpartition("-")[2])


def answer_pairs(rows: pl.DataFrame, use_case: UseCase, old: str, new: str) -> AnswerPairs:
    """Pair what the old version answered with what the new one answered in shadow, by the request's id.

    The caller's own id may come again, so the event's key has to agree too, and an id that came twice pairs nothing.

    Args:
        rows: of the log.
        use_case: names keys and entities.
        old: version of the release that serves.
        new: version of the release in shadow.
    """
    on = ["caller_request_id", *use_case.event_source.primary_key]
    live = of_release(live_rows(rows), old).drop_nulls("caller_request_id").unique(on, keep="none", maintain_order=True)
    shadow = of_release(rows.filter(pl.col("role") == SHADOW), new).unique(on, keep="none", maintain_order=True)
    pairs = live.join(shadow, on=on, suffix=_SHADOW_SUFFIX, maintain_order="left")
    disturbed = _disturbed(pairs, live_rows(rows), use_case)
    same = pl.col("unknown_entities").fill_null("") == pl.col(f"unknown_entities{_SHADOW_SUFFIX}").fill_null("")
    alike = same & pl.col("fallback").is_null() & pl.col(f"fallback{_SHADOW_SUFFIX}").is_null()
    quiet = pairs.filter(~pl.Series(disturbed))
    frame = quiet.filter(alike)
    return AnswerPairs(frame, int(disturbed.sum()), quiet.height - frame.height)


def shadow_of(column: str) -> str:
    """The shadow's column in a frame of pairs."""
    return f"{column}{_SHADOW_SUFFIX}"


def _disturbed(pairs: pl.DataFrame, live: pl.DataFrame, use_case: UseCase) -> NDArray[np.bool_]:
    """Whether an entity of each pair had another event that one of the two look-ups may have seen and the other not."""
    first = pl.min_horizontal("scored_at", shadow_of("scored_at")).dt.epoch("us") - ANNOUNCED_WITHIN_MICROSECONDS
    last = pl.max_horizontal("scored_at", shadow_of("scored_at")).dt.epoch("us")
    begins, ends = (pairs.select(edge).to_series().to_numpy() for edge in (first, last))
    disturbed = np.zeros(pairs.height, dtype=np.bool_)
    if not pairs.height:
        return disturbed
    start = int(begins.min())
    for entity in use_case.entities:
        keys = list(entity.key_columns)
        if not set(keys) <= set(use_case.serving.request):
            continue
        known = live.drop_nulls(keys)
        names = known.select(keys).unique().with_row_index("__entity")
        moments = known.join(names, on=keys).select(
            "__entity", (pl.col("scored_at").dt.epoch("us") - start).alias("__at")
        )
        moments = moments.filter(pl.col("__at") >= 0).sort("__entity", "__at")
        span = int(ends.max()) - start + 2
        placed = moments["__entity"].cast(pl.Int64).to_numpy() * span + np.minimum(moments["__at"].to_numpy(), span - 1)
        own = pairs.select(keys).join(names, on=keys, how="left", maintain_order="left")["__entity"]
        row = own.cast(pl.Int64).fill_null(-1).to_numpy()
        low = np.searchsorted(placed, row * span + (begins - start), side="left")
        high = np.searchsorted(placed, row * span + (ends - start), side="right")
        disturbed |= (row >= 0) & (high - low > 1)  # the pair's own event is one of them
    return disturbed


def _schema(use_case: UseCase) -> dict[str, pl.DataType]:
    """The columns a verdict reads; times and days stay text."""
    named = [*use_case.event_source.primary_key, *(key for entity in use_case.entities for key in entity.key_columns)]
    schema: dict[str, pl.DataType] = {}
    for name in dict.fromkeys(named):
        if name in use_case.serving.request:
            dtype = use_case.event_source.column(name).polars_type
            plain = pl.Int64() if dtype.is_integer() else dtype
            schema[name] = plain if isinstance(plain, _PLAIN) else pl.String()
    for name in ("request_id", "scored_at", "decision", "release", "unknown_entities", "fallback"):
        schema[name] = pl.String()
    for name in ("caller_request_id", "role", "feature_contract"):
        schema[name] = pl.String()
    schema |= {"score": pl.Float64(), "latency_ms": pl.Float64()}
    return schema | {FEATURE_PREFIX + name: pl.Float64() for name in use_case.feature_names}
