"""The page of a use case, and the page of all: one self-contained HTML file each, light or dark as the reader's system is.

Belongs here: what stands where, in which words. Does not belong here: what is wrong (`findings.py`), pictures (`charts.py`), or where the
files go (`pipelines/use_case_state/write.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from platform_assets.monitoring.use_case_page.charts import chart
from platform_assets.monitoring.use_case_page.state import SEVERITIES, StateFinding, StateSeries, UseCaseState
from platform_assets.monitoring.use_case_page.summary import UseCaseSummary
from platform_assets.pictures.numbers import count, duration, moment, quantity
from platform_assets.pictures.pages import filled_in

PAGE_TEMPLATE = Path(__file__).with_name("use_case_page.html.j2")
INDEX_TEMPLATE = Path(__file__).with_name("index_page.html.j2")
WORDS = {"red": "needs somebody now", "yellow": "needs somebody soon", "ok": "fine"}
SIGNS = {"red": "■", "yellow": "▲", "ok": "✓"}
MOST_FINDINGS = 12
"""Further ones are folded away."""


def use_case_page(state: UseCaseState) -> str:
    """The page of one use case."""
    bad = [_shown(one, state) for one in state.findings if one.severity != "ok"]
    content: dict[str, Any] = {
        "state": state,
        "title": state.use_case,
        "worst": state.worst,
        "bad": bad[:MOST_FINDINGS],
        "folded": bad[MOST_FINDINGS:],
        "good": [_shown(one, state) for one in state.findings if one.severity == "ok"],
        "tiles": _tiles(state),
        "charts": _charts(state.series),
        "checks": sorted(state.operations.checks, key=lambda one: one.outcome == "passed"),
        "clock": moment(state.now),
        "made": moment(state.made_at),
        "words": WORDS,
        "signs": SIGNS,
    }
    return filled_in(PAGE_TEMPLATE, **content)


def index_page(summaries: Sequence[UseCaseSummary], made_at: datetime) -> str:
    """The page of all use cases, the worst first."""
    ordered = sorted(summaries, key=lambda one: (SEVERITIES.index(one.worst), one.use_case))
    counts = {severity: sum(one.worst == severity for one in ordered) for severity in SEVERITIES}
    worst = next((severity for severity in SEVERITIES if counts[severity]), "ok")
    made, title = moment(made_at), "Use cases"
    return filled_in(
        INDEX_TEMPLATE, rows=ordered, counts=counts, worst=worst, title=title, made=made, words=WORDS, signs=SIGNS
    )


def _shown(finding: StateFinding, state: UseCaseState) -> dict[str, Any]:
    ago = ""
    if finding.since is not None:
        # Data time and machine time differ where a clock is simulated: the smaller distance is the meant one.
        spans = [(now - finding.since).total_seconds() for now in (state.made_at, state.now)]
        seconds = min((span for span in spans if span >= 0), default=0.0)
        ago = duration(seconds) if seconds >= 60 else "just now"
    return {"finding": finding, "since": moment(finding.since), "ago": ago}


def _tiles(state: UseCaseState) -> list[dict[str, str]]:
    service, champion, tiles = state.service, state.champion, []

    def tile(title: str, value: str, below: str = "") -> None:
        tiles.append({"title": title, "value": value, "below": below})

    if state.newest_event is None or state.lag_seconds is None:
        tile("Newest event", "none")
    else:
        tile("Newest event", f"{duration(state.lag_seconds)} ago", f"{moment(state.newest_event)} UTC")
    if champion is None:
        tile("Champion", "none")
    else:
        as_of = f"as of {champion.as_of}, " if champion.as_of else ""
        tile("Champion", f"version {champion.version}", f"{as_of}since {moment(champion.since)}")
    if service is not None:
        asked = "unknown" if service.requests is None else count(service.requests)
        errors = "" if service.errors is None else f"{count(service.errors)} not scored, since the processes started"
        tile("Requests", asked, errors)
        p50, p99 = (quantity(value, "milliseconds") for value in (service.p50_ms, service.p99_ms))
        tile("Median time to an answer", p50, f"99th percentile {p99}")
    quality = next((one for one in state.series if one.name == "quality"), None)
    if quality is not None and quality.last is not None:
        last = quality.last
        span = (
            f"{quantity(last.low, '')} to {quantity(last.high, '')} ({quality.interval_percent} %)"
            if last.low is not None
            else ""
        )
        tile(quality.title, quantity(last.value, quality.unit), span)
    due = state.operations.due_next
    tile(
        "Automation",
        "on" if state.automation else "off",
        f"next due {moment(due)}" if due else "nothing falls due any more",
    )
    return tiles


def _charts(series: Sequence[StateSeries]) -> list[dict[str, str]]:
    """Series of one chart and one unit together, in their order."""
    groups: dict[tuple[str, str], list[StateSeries]] = {}
    for one in series:
        groups.setdefault((one.chart, one.unit), []).append(one)
    found = []
    for (title, _), together in groups.items():
        picture = chart(together)
        notes = [
            f"{one.title} ({one.interval_percent} % band)" if one.interval_percent else one.title for one in together
        ]
        note = ", ".join(dict.fromkeys([notes[0], *(one[0].lower() + one[1:] for one in notes[1:])]))
        found.append({"title": title, "note": note, "picture": picture})
    return found
