"""The page of a use case's rollouts: weights, evidence and verdicts over time, and who decided what.

Belongs here: the page and its picture, made of looks as plain values. Does not belong here: looking, judging or remembering (`pipelines/`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from platform_assets.monitoring.drift_page import rendered
from platform_assets.monitoring.plots import BLUE, GREEN, GREY, RED, new_figure, png

TEMPLATE = "rollout_page.html.j2"
SHOWN_ROLLOUTS = 5
"""The newest ones; the ledger has all."""
_COLOURS = {"better or equal": "good", "promoted": "good", "finished": "good", "worse": "bad", "aborted": "bad"}
_POINTS = {"better or equal": GREEN, "worse": RED}

PlainLook = Mapping[str, Any]


def rollout_page(use_case: str, looks: Sequence[PlainLook]) -> str:
    """The page, the newest rollout first.

    Args:
        use_case: its name.
        looks: in the order in which they were made, with the fields of `pipelines/rollout_history.py`.
    """
    rollouts = [list(group) for _, group in groupby(looks, key=lambda look: look["arm"])]
    shown = [_shown(rollout) for rollout in reversed(rollouts[-SHOWN_ROLLOUTS:])]
    return rendered(TEMPLATE, title=f"Rollouts of {use_case}", use_case=use_case, rollouts=shown)


def plot_rollout(looks: Sequence[PlainLook]) -> bytes:
    """One rollout over time: the new version's share of the requests, the verdict of each look, and each guard as a share of its margin.

    Returns:
        A PNG image.
    """
    figure = new_figure(10.0, 5.5)
    weights, guards = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.6))
    times = [datetime.fromisoformat(look["at"]) for look in looks]
    weights.step(times, [look["weight"] for look in looks], where="post", color=BLUE, label="answers (%)")
    weights.step(times, [look["copied"] for look in looks], where="post", color=GREY, linestyle=":", label="copies (%)")
    for time, look in zip(times, looks, strict=True):
        if look["verdict"]:
            weights.plot([time], [-8], "s", color=_POINTS.get(look["verdict"], GREY), markersize=4, clip_on=False)
    weights.set_ylim(-14, 105)
    weights.set_ylabel("new version")
    weights.legend(loc="center left", fontsize=8)
    names = list(dict.fromkeys(found["guard"] for look in looks for found in look["findings"]))
    for name in names[:8]:
        points = [
            (time, found)
            for time, look in zip(times, looks, strict=True)
            for found in look["findings"]
            if found["guard"] == name and found["estimate"] is not None and found["margin"]
        ]
        if not points:
            continue
        at = [time for time, _ in points]
        (line,) = guards.plot(at, [found["estimate"] / found["margin"] for _, found in points], label=name, linewidth=1)
        edges = [
            [(found[edge] if found[edge] is not None else found["estimate"]) / found["margin"] for _, found in points]
            for edge in ("low", "high")
        ]
        guards.fill_between(at, *edges, color=line.get_color(), alpha=0.12)
    guards.axhline(1.0, color=RED, linestyle="--", linewidth=1)
    guards.set_ylim(-3, 3)
    guards.set_ylabel("difference / tolerated")
    if names:
        guards.legend(loc="upper right", fontsize=7, ncols=4)
    figure.autofmt_xdate()
    return png(figure)


def _shown(looks: Sequence[PlainLook]) -> dict[str, Any]:
    last = looks[-1]
    judged = next((look for look in reversed(looks) if look["findings"]), None)
    findings = [] if judged is None else [_finding(found) for found in judged["findings"]]
    return {
        **{name: last[name] for name in ("new", "old", "sentence")},
        "state": last["outcome"],
        "colour": _COLOURS.get(last["outcome"], "open"),
        "plot": base64.b64encode(plot_rollout(looks)).decode(),
        "findings": findings,
        "notes": [] if judged is None else judged["notes"],
        "decisions": [look for look in looks if look["by"] and not look["meant"]],
    }


def _finding(found: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(found[name]) for name in ("estimate", "low", "high", "margin")}
    return {**found, **numbers, "colour": _COLOURS.get(found["outcome"], "open")}


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:+.4g}"
