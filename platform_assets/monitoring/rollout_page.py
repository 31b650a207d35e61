"""The page of a use case's rollouts: weights, evidence and verdicts over time, and who decided what.

Belongs here: the page and its picture, made of looks as plain values. Does not belong here: looking, judging or remembering (`pipelines/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_assets.pictures.figures import bound_line, end_labels, labelled, new_figure, note, png, svg_address
from platform_assets.pictures.pages import filled_in
from platform_assets.pictures.palette import BLUE, GREEN, GREY, ORANGE, RED, SERIES, SOFT, YELLOW

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = Path(__file__).with_name("rollout_page.html.j2")
SHOWN_ROLLOUTS = 5
"""The newest ones; the ledger has all."""
_COLOURS = {"better or equal": "good", "promoted": "good", "finished": "good", "worse": "bad", "aborted": "bad"}
_MARKS = {"better or equal": (GREEN, "o"), "worse": (RED, "X")}
MOST_GUARDS = 6

PlainLook = Mapping[str, Any]


def rollout_page(use_case: str, looks: Sequence[PlainLook]) -> str:
    """The page, the newest rollout first.

    Args:
        use_case: its name.
        looks: in the order in which they were made, with the fields of `pipelines/rollout_history.py`.
    """
    rollouts = [list(group) for _, group in groupby(looks, key=lambda look: look["arm"])]
    shown = [_shown(rollout) for rollout in reversed(rollouts[-SHOWN_ROLLOUTS:])]
    return filled_in(TEMPLATE, title=f"Rollouts of {use_case}", use_case=use_case, rollouts=shown)


def plot_rollout(looks: Sequence[PlainLook]) -> bytes:
    """One rollout over time: the new version's share of the requests, the verdict of each look, and each guard as a share of its margin.

    Returns:
        A PNG image.
    """
    return png(rollout_figure(looks))


def rollout_figure(looks: Sequence[PlainLook]) -> Figure:
    """As `plot_rollout`, as a figure."""
    if not looks:
        return note("Nobody has looked at this rollout yet.")
    figure = new_figure(9.0, 5.6)
    weights, guards = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.6))
    times: Any = [datetime.fromisoformat(look["at"]) for look in looks]
    weight, copied = ([look[name] for look in looks] for name in ("weight", "copied"))
    weights.step(times, weight, where="post", color=BLUE, linewidth=1.8)
    labels = [(float(weight[-1]), f"answers {weight[-1]:g} %", BLUE)]
    if any(copied):
        weights.step(times, copied, where="post", color=ORANGE, linestyle=":", linewidth=1.5)
        labels.append((float(copied[-1]), f"copies {copied[-1]:g} %", ORANGE))
    for time, look in zip(times, looks, strict=True):
        if look["verdict"]:
            colour, marker = _MARKS.get(look["verdict"], (GREY, "s"))
            weights.plot([time], [-9], marker, color=colour, markersize=5, clip_on=False)
    weights.set_ylim(-15, 108)
    weights.tick_params(labelbottom=False)
    labelled(
        weights,
        "Share of the requests; below each look: dot better or equal, cross worse, square open",
        "",
        "percent",
        grid="y",
    )
    end_labels(weights, labels)
    _draw_guards(guards, times, looks)
    return figure


def _draw_guards(axes: Any, times: Any, looks: Sequence[PlainLook]) -> None:
    """Each guard's difference as a share of what is tolerated, with its interval."""
    axes.set_ylim(-3, 3)
    names = list(dict.fromkeys(found["guard"] for look in looks for found in look["findings"]))
    labels = []
    for place, name in enumerate(names[:MOST_GUARDS]):
        points = [
            (time, found)
            for time, look in zip(times, looks, strict=True)
            for found in look["findings"]
            if found["guard"] == name and found["estimate"] is not None and found["margin"]
        ]
        if not points:
            continue
        colour = (*SERIES, YELLOW)[place % (len(SERIES) + 1)]
        at = [time for time, _ in points]
        values = [found["estimate"] / found["margin"] for _, found in points]
        axes.plot(at, values, color=colour, linewidth=1.3, marker="." if len(at) < 30 else "")
        edges = [
            [(found[edge] if found[edge] is not None else found["estimate"]) / found["margin"] for _, found in points]
            for edge in ("low", "high")
        ]
        axes.fill_between(at, *edges, color=colour, alpha=0.12, linewidth=0)
        labels.append((max(-3.0, min(3.0, values[-1])), name.replace("_", " "), colour))
    bound_line(axes, 1.0)
    more = f"; {len(names) - MOST_GUARDS} more guards stand in the table" if len(names) > MOST_GUARDS else ""
    labelled(axes, f"New minus old, past the line it is worse{more}", "", "in what is tolerated", grid="y")
    if not labels:
        axes.text(0.5, 0.6, "nothing was judged yet", transform=axes.transAxes, ha="center", color=SOFT, fontsize=9)
    _times_along(axes, times)
    end_labels(axes, labels)


def _times_along(axes: Any, times: Sequence[datetime]) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter

    span = (times[-1] - times[0]).total_seconds()
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=5))
    axes.xaxis.set_major_formatter(
        DateFormatter("%Y-%m-%d" if span > 4 * 86_400 else "%m-%d %H:%M" if span > 3_600 else "%H:%M:%S")
    )


def _shown(looks: Sequence[PlainLook]) -> dict[str, Any]:
    last = looks[-1]
    judged = next((look for look in reversed(looks) if look["findings"]), None)
    findings = [] if judged is None else [_finding(found) for found in judged["findings"]]
    return {
        **{name: last[name] for name in ("new", "old", "sentence")},
        "state": last["outcome"],
        "colour": _COLOURS.get(last["outcome"], "open"),
        "plot": svg_address(rollout_figure(looks)),
        "findings": findings,
        "notes": [] if judged is None else judged["notes"],
        "decisions": [look for look in looks if look["by"] and not look["meant"]],
    }


def _finding(found: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(found[name]) for name in ("estimate", "low", "high", "margin")}
    return {**found, **numbers, "colour": _COLOURS.get(found["outcome"], "open")}


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:+.4g}"
