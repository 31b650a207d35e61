"""The page of one window: a verdict in words, the windows before, and every column with its values and its trend, the worst first.

Belongs here: one self-contained HTML file, below 500 kB whatever the traffic. Does not belong here: verdicts (`monitoring/drift.py`),
which are taken before and never by the page; drawing (`charts.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.monitoring.drift import BROKEN, ColumnVerdict, DriftResult
from platform_assets.monitoring.drift_report.charts import distribution_chart, trend_chart, windows_chart
from platform_assets.monitoring.drift_report.distributions import distribution
from platform_assets.monitoring.drift_report.history import DriftWindow, worst_first
from platform_assets.pictures.numbers import count, readable, share
from platform_assets.pictures.pages import filled_in

TEMPLATE = Path(__file__).with_name("page.html.j2")
DRAWN_ROWS = 50_000
"""Rows drawn of either side, a seeded sample: enough for a picture, and the page takes seconds whatever the traffic."""
MOST_DRAWN = 80
"""Columns with a picture, the worst first; the numbers of all stand on the page."""

_VERDICTS = {
    "ok": ("good", "✓", "within limits"),
    "drift": ("bad", "▲", "drift"),
    "broken": ("bad", "✕", "not usable"),
    "no_verdict": ("warn", "?", "no verdict"),
}
_STATUSES = {
    "ok": ("good", "✓", "within its limit"),
    "constant": ("good", "✓", "the same value as ever"),
    "drift": ("bad", "▲", "has moved"),
    "degenerate": ("bad", "✕", "carries nothing"),
    "missing": ("bad", "✕", "is missing"),
    "type_changed": ("bad", "✕", "changed its type"),
    "too_few_rows": ("warn", "?", "too few rows"),
}


@dataclass(frozen=True)
class ReportedWindow:
    """What a report is about.

    Attributes:
        use_case: its name.
        first_day: of the window.
        day: its last day.
        version: of the model that made most of its predictions; empty where nobody knows.
        result: the verdicts.
        reference: the rows compared with, for drawing.
        current: the rows of the window, for drawing.
        history: earlier windows, oldest first.
        links: titles and relative addresses of pages that are there.
    """

    use_case: str
    first_day: date
    day: date
    version: str
    result: DriftResult
    reference: pl.DataFrame
    current: pl.DataFrame
    history: Sequence[DriftWindow] = ()
    links: Sequence[tuple[str, str]] = ()


def write_drift_report(window: ReportedWindow, path: Path) -> Path:
    """Write the page; its folder is made.

    Returns:
        The path written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drift_page(window), encoding="utf-8")
    return path


def drift_page(window: ReportedWindow) -> str:
    """The page as HTML; the same window and history give the same page."""
    result = window.result
    tone, sign, verdict = _VERDICTS[result.status]
    reference, current = _sample(window.reference), _sample(window.current)
    shown = [
        _column(verdict, window, reference, current, is_drawn=place < MOST_DRAWN)
        for place, verdict in enumerate(worst_first(result.columns))
    ]
    bad = [one for one in shown if not one["passed"]]
    windows = [*window.history, _this(window)]
    sentence, next_step = _words(window)
    return filled_in(
        TEMPLATE,
        title=f"{window.use_case}: drift up to {window.day}",
        use_case=window.use_case,
        tone=tone,
        sign=sign,
        verdict=verdict,
        sentence=sentence,
        next=next_step,
        first_day=window.first_day,
        day=window.day,
        version=window.version,
        rows_current=count(result.rows_current),
        rows_reference=count(result.rows_reference),
        windows=windows_chart(windows) if window.history else "",
        has_fine=any(one.failed == 0 for one in windows),
        bad=bad,
        good=[one for one in shown if one["passed"]],
        total=len(shown),
        drawn_rows=count(DRAWN_ROWS) if max(result.rows_current, window.reference.height) > DRAWN_ROWS else "",
        links=[{"title": title, "address": address} for title, address in window.links],
    )


def _words(window: ReportedWindow) -> tuple[str, str]:
    """What happened, and what to do next."""
    result = window.result
    failed = [one.column.removeprefix(FEATURE_PREFIX) for one in worst_first(result.failed_columns)]
    names = f"{', '.join(failed[:3])}{f' and {len(failed) - 3} more' if len(failed) > 3 else ''}"
    if result.status == "ok":
        return f"None of {len(result.columns)} columns has moved past its limit.", "There is nothing to do."
    if result.status == "drift":
        next_step = (
            "Whether that calls for a new model is decided from this and the windows before: "
            f"platform-assets status {window.use_case}."
        )
        return f"{names}: moved away from what the model knows.", next_step
    if result.status == "broken":
        next_step = "Repair the column where it comes from: a new model would learn the defect."
        return f"{names}: {'a column' if len(failed) == 1 else 'columns'} that cannot be what was declared.", next_step
    if not result.columns:
        return "No column is watched.", ""
    return f"Too few rows to judge {names}.", "The next windows are judged as soon as they have enough predictions."


def _this(window: ReportedWindow) -> DriftWindow:
    columns = window.result.columns
    return DriftWindow(
        window.day,
        window.result.status,
        sum(not one.passed for one in columns),
        len(columns),
        {one.column: one.limit_share for one in columns},
        window.version,
    )


def _column(
    verdict: ColumnVerdict, window: ReportedWindow, reference: pl.DataFrame, current: pl.DataFrame, *, is_drawn: bool
) -> Mapping[str, Any]:
    colour, sign, status = _STATUSES[verdict.status]
    name = verdict.column.removeprefix(FEATURE_PREFIX)
    drawn = None
    if is_drawn and {verdict.column} <= {*reference.columns} & {*current.columns}:
        drawn = distribution(reference[verdict.column], current[verdict.column])
    other = verdict.rows_reference != window.result.rows_reference and verdict.status not in BROKEN
    return {
        "name": name,
        "anchor": re.sub(r"[^A-Za-z0-9_-]", "-", f"column-{name}"),
        "passed": verdict.passed,
        "tone": {"good": "", "bad": "moved", "warn": "unknown"}[colour],
        "colour": colour,
        "sign": sign,
        "status": status,
        "figure": _figure(verdict),
        "statistic": verdict.nearest,
        "explanation": verdict.explanation,
        "numbers": _numbers(verdict),
        "other_rows": f"; judged against {count(verdict.rows_reference)} other rows, as said above" if other else "",
        "distribution": distribution_chart(drawn, name) if drawn is not None else "",
        "trend": trend_chart(verdict.column, window.history, verdict.limit_share, window.day) if is_drawn else "",
    }


def _figure(verdict: ColumnVerdict) -> str:
    """The one number of a column."""
    if verdict.value is None or verdict.limit is None or verdict.limit_share is None:
        return ""
    return f"{verdict.nearest} {readable(verdict.value)}, limit {readable(verdict.limit)} ({readable(verdict.limit_share)} ×)"


def _numbers(verdict: ColumnVerdict) -> str:
    parts = [
        f"{name} {readable(value)}{f' of at most {readable(limit)}' if limit is not None else ''}"
        for name, value, limit in (("KS", verdict.ks, verdict.ks_limit), ("PSI", verdict.psi, verdict.psi_limit))
        if value is not None
    ]
    before, now = verdict.null_ratio_reference, verdict.null_ratio_current
    if before or now:
        parts.append(f"missing {share(before or 0.0)} before, {share(now or 0.0)} now")
    parts.append(f"{count(verdict.rows_current)} rows against {count(verdict.rows_reference)}")
    return "; ".join(parts)


def _sample(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame.height <= DRAWN_ROWS else frame.sample(DRAWN_ROWS, seed=0)
