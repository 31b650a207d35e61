"""What a model card says of verdicts: standing, gates by how tight they were, parts of the rows in words, bypasses, the ledger.

Belongs here: order and wording. Does not belong here: judging (`evaluation/gates/`), the rest of the card (`model_card.py`).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeGuard

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION
from platform_assets.pictures.numbers import readable, share

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", "plain"
_MOVES = ("promoted", "rolled_back")


def verdict_of(evidence: Mapping[str, Any]) -> dict[str, str]:
    """All gates in a few words."""
    if not evidence:
        return {"text": "not evaluated", "colour": WARN, "sign": "?", "reason": ""}
    bypassed = any(gate.get("bypass") for gate in evidence["gates"])
    if not evidence["passed"]:
        return {"text": "gates failed", "colour": BAD, "sign": "✕", "reason": evidence["reason"]}
    text = "passed with bypasses" if bypassed else "all gates passed"
    return {
        "text": text,
        "colour": WARN if bypassed else GOOD,
        "sign": "!" if bypassed else "✓",
        "reason": evidence["reason"],
    }


def standing(aliases: Sequence[str], history: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Whether the model is champion, since when, or what it was, as the registry and the ledger have it.

    Args:
        aliases: of the version.
        history: the ledger's entries about it, oldest first.
    """
    moved = [entry for entry in history if entry["action"] in _MOVES]
    since = f"{moved[-1]['at']:%Y-%m-%d %H:%M} UTC" if moved else ""
    if CHAMPION in aliases:
        return {"text": f"champion{f' since {since}' if since else ''}", "colour": PLAIN}
    if moved:
        return {"text": f"was champion from {since} on, is not any more", "colour": WARN}
    others = [alias for alias in aliases if alias != CHAMPION]
    return {"text": ", ".join(others) or "not champion", "colour": WARN}


def shown_gates(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Failed gates, then bypassed ones, then the passed by how little they had to spare: the tightest first."""
    return [_gate(gate) for gate in sorted(evidence.get("gates", ()), key=_tightness)]


def _tightness(gate: Mapping[str, Any]) -> tuple[int, float]:
    rank = 1 if gate.get("bypass") else 2 if gate["passed"] else 0
    spare = _spare(gate)
    return rank, math.inf if spare is None else spare


def _spare(gate: Mapping[str, Any]) -> float | None:
    """Distance of what was measured from its bound as a share of the bound; None where there are no two numbers, or the bound is 0."""
    numbers = [float(value) for value in (gate.get("measured"), gate.get("bound")) if _is_number(value)]
    return abs(numbers[0] - numbers[1]) / abs(numbers[1]) if len(numbers) == 2 and numbers[1] else None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    verdict, colour, sign = ("passed", GOOD, "✓") if gate["passed"] else ("failed", BAD, "✕")
    if gate.get("bypass"):
        verdict, colour, sign = "bypassed", WARN, "!"
    measured, bound, spare = cell(gate.get("measured")), cell(gate.get("bound")), _spare(gate)
    if measured == bound and spare:
        measured, bound = f"{gate['measured']:.6g}", f"{gate['bound']:.6g}"
    return {
        "name": gate["name"].replace("_", " "),
        "verdict": verdict,
        "colour": colour,
        "sign": sign,
        "explanation": gate["explanation"],
        "measured": measured,
        "bound": bound,
        "spare": "" if spare is None or not gate["passed"] or gate.get("bypass") or spare > 10 else share(spare),
    }


def shown_slices(use_case: UseCase, evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Gates whose evidence measures parts of the rows; a part is called what the slice calls it."""
    slices = []
    declared = {name: one for one in use_case.gates.slices for name in (f"slice_{one.name}", f"fairness_{one.name}")}
    for gate in evidence.get("gates", ()):
        parts = (gate.get("details") or {}).get("parts")
        if not parts:
            continue
        columns = sorted(parts[0], key=lambda column: column != "value")  # what a row is about stands first
        item = declared.get(gate["name"])
        rows = [
            [
                item.name_of(str(part["value"])) if item is not None and column == "value" else cell(part.get(column))
                for column in columns
            ]
            for part in parts
        ]
        names = ["part" if column == "value" else column.replace("_", " ") for column in columns]
        slices.append({**_gate(gate), "columns": names, "rows": rows})
    return slices


def shown_bypasses(use_case: UseCase, evidence: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every declared bypass: who, why, until, and whether a gate was let pass by it; by the verdict, which may be newer than the
    model's declaration."""
    if "bypasses" in evidence:
        states = {True: "let the gate pass", False: "not needed"}
        return [
            {**{name: str(item[name]) for name in ("gate", "who", "why", "until")},
             "state": "expired" if item["expired"] else states[bool(item["used"])]}
            for item in evidence["bypasses"]
        ]  # fmt: skip
    used = {gate["name"] for gate in evidence.get("gates", ()) if gate.get("bypass")}
    judged = date.fromisoformat(evidence["judged_on"]) if "judged_on" in evidence else None
    rows = []
    for bypass in use_case.gates.bypasses:
        over = judged is not None and bypass.until < judged
        state = "expired" if over else "let the gate pass" if bypass.gate in used else "not needed"
        rows.append(
            {"gate": bypass.gate, "who": bypass.who, "why": bypass.why, "until": str(bypass.until), "state": state}
        )
    return rows


def because(evidence: Mapping[str, Any]) -> str:
    """Why something was done, and by whom, in the words of a ledger's entry."""
    reason = evidence.get("why") or evidence.get("reason") or evidence.get("error") or evidence.get("message") or ""
    decided = evidence.get("decided") or {}
    by = decided.get("who") or evidence.get("who") or ""
    return f"{reason}{f' ({by})' if by else ''}"


def cell(value: Any) -> str:
    """A value in a table: numbers with three digits that count, an empty cell for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return readable(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
