"""The page of one explained prediction: for whoever it was about, and for whoever has to answer for it.

Belongs here: the page, made of an explanation as plain values. Does not belong here: explaining (`pipelines/explain_prediction`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platform_assets.pictures.pages import filled_in

TEMPLATE = Path(__file__).with_name("explanation_page.html.j2")
SHOWN_EVENTS = 5
"""Events that are shown of a feature; the JSON has more."""


def explanation_page(document: Mapping[str, Any], made_at: str) -> str:
    """The page.

    Args:
        document: the explanation, as `platform-assets explain --json` prints it.
        made_at: when the page was made, ISO.
    """
    features = [_feature(one) for one in document["features"]]
    origin = document["origin"]
    return filled_in(
        TEMPLATE,
        document=document,
        row=document["prediction"],
        answer=document["answer_again"],
        total=document["sum"],
        model=document["model"],
        search=document["nearest_changes"],
        request={name: text(document["prediction"].get(name)) for name in document["request"]},
        added=[one for one in features if one["contribution"]],
        others=[one for one in features if not one["contribution"]],
        tables=document["tables"],
        origin=origin,
        gates=gate_lines(origin["promotion"]),
        rollout=origin["rollout"],
        made_at=made_at,
        number=number,
        text=text,
    )


def gate_lines(promotion: Mapping[str, Any] | None) -> list[str]:
    """What a promotion's evidence says of gates, a line each."""
    if promotion is None:
        return []
    gates = promotion["evidence"].get("gates") or promotion["evidence"].get("checks") or []
    if isinstance(gates, Mapping):
        gates = [
            {"name": name, **(one if isinstance(one, Mapping) else {"passed": one})} for name, one in gates.items()
        ]
    return [
        f"{one.get('name', 'gate')}: {'passed' if one.get('passed') else 'not passed'}"
        + (f", {one['explanation']}" if one.get("explanation") else "")
        for one in gates
        if isinstance(one, Mapping)
    ]


def number(value: float | None) -> str:
    """A figure for people; the JSON has every digit."""
    return "missing" if value is None else f"{value:.6g}"


def text(value: Any) -> str:
    """Any value for people."""
    return "none" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _feature(one: Mapping[str, Any]) -> dict[str, Any]:
    more = (one["counted"] or 0) - SHOWN_EVENTS
    return {**one, "shown": one["events"][:SHOWN_EVENTS], "more": max(0, more)}
