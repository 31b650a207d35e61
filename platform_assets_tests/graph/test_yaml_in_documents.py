"""Every fenced YAML of the documents is what the loader takes: a whole file, or a part that fits into one."""

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import platform_assets.defs
from platform_assets.declaration import load_use_case
from platform_assets.declaration.yaml_text import load_yaml
from platform_assets.testing.declare import declaration, window, write_declaration

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PARTS_OF = {
    "quality": ("sources", 0),
    "learners": ("training",),
    "connector": ("sources", 0),
    "columns": ("sources", 0),
    "primary_key": ("sources", 0),
    "calendar": ("sources", 0),
    "late": ("sources", 0),
    "time_zone": ("sources", 0),
}
"""Where a part belongs that is no section of its own."""
SNAPSHOT = (Path(__file__).with_name("snapshot.txt")).read_text(encoding="utf-8")


def fences() -> list[Any]:
    """Each fenced YAML with its document, and the line that it begins in."""
    found = []
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(pytest.param(path.stem, match[1], id=f"{path.relative_to(ROOT)}:{line}"))
    return found


def card_payments() -> dict[str, Any]:
    """What the guide's examples speak of."""
    agreements = {
        "name": "agreements",
        "connector": {"kind": "files", "format": "csv", "path": "a.csv"},
        "primary_key": ["card_id", "since"],
        "event_time": "since",
        "columns": [
            {"name": "card_id", "type": "int64", "description": "Card"},
            {"name": "since", "type": "datetime", "description": "From when on"},
            {"name": "monthly_limit", "type": "float64", "description": "Limit", "nullable": True},
            {"name": "tier", "type": "string", "description": "Tier", "nullable": True},
        ],
    }
    shops = {
        "name": "shops",
        "connector": {"kind": "files", "format": "csv", "path": "s.csv"},
        "primary_key": ["shop_id"],
        "columns": [
            {"name": "shop_id", "type": "int64", "description": "Shop"},
            {"name": "size", "type": "float64", "description": "Size", "nullable": True},
        ],
    }
    card_activity = {
        "name": "card_activity",
        "entity": "card",
        "windows": [window("card_usual", "mean", "amount", [30]), window("card_spread", "std", "amount", [30])],
    }
    return declaration(
        events={
            "payment": "int64",
            "at": "datetime",
            "card_id": "int64",
            "shop_id": "int64",
            "amount": "float64",
            "country": "string",
            "tip": "float64?",
            "temperature": "float64?",
            "stock": "int64?",
            "currency": "string?",
        },
        label="bad",
        features=["amount", card_activity],
        entities=[{"name": "card", "key": "card_id"}],
        sources=[agreements, shops],
        table="payments",
    )


def card_fraud() -> dict[str, Any]:
    """The default use case, with the learners and features that the guide's examples name."""
    document, _ = load_yaml((ROOT / "platform_assets/defs/card_fraud/defs.yaml").read_text(encoding="utf-8"))
    attributes: dict[str, Any] = document["attributes"]
    known = {row["name"] for view in attributes["features"] for row in view.get("rows", ())}
    named = {"amount_over_usual": "amount", "hour_of_day": "EXTRACT(HOUR FROM transaction_time)"}
    rows = [
        {"name": name, "expression": expression, "description": name}
        for name, expression in named.items()
        if name not in known
    ]
    attributes["features"].append({"name": "of_the_guide", "description": "Named by examples", "rows": rows})
    return attributes


def decided_payments() -> dict[str, Any]:
    """Card payments whose outcomes have a time of their own."""
    whole = card_payments()
    outcomes = next(source for source in whole["sources"] if source["name"] == "labels")
    outcomes["name"] = whole["label"]["source"] = "outcomes"
    outcomes["columns"].append({"name": "decided", "type": "datetime", "description": "Time of the decision"})
    outcomes["event_time"] = "decided"
    whole["training"]["splits"]["delay_days"] = 30
    return whole


def queues() -> dict[str, Any]:
    """A use case with several classes."""
    return declaration(
        events={
            "ticket": "int64",
            "opened_at": "datetime",
            "customer": "int64",
            "length": "float64",
        },
        label={"queue": ["billing", "outage"]},
        features=["length"],
        table="queues",
        decision={},
    ) | {"serving": {"request": ["ticket", "opened_at", "customer", "length"]}}


def rows_without_key() -> dict[str, Any]:
    """Events that nothing identifies, predicted in batch."""
    events = {"row_id": {"type": "string", "digest_of": "row"}, "at": "datetime", "shop_id": "int64", "bad": [0, 1]}
    whole = declaration(events=events, label="bad", features=["shop_id"])
    return whole | {"serving": {**whole["serving"], "mode": "batch"}}


WORLDS = {
    "training": card_fraud,
    "gates": card_fraud,
    "feature-quality": card_fraud,
    "experiments": card_fraud,
    "models": card_fraud,
    "distributed": card_fraud,
    "online-store": card_fraud,
    "training-sets": decided_payments,
}
"""What the examples of a document speak of; by default card payments."""


def overlaid(base: Any, part: Any) -> Any:
    """The base with a part's fields in it; things that have a name are put together by it."""
    if isinstance(base, dict) and isinstance(part, dict):
        if "kind" in part and base.get("kind") != part["kind"]:
            return part
        return {**base, **{key: overlaid(base.get(key), value) for key, value in part.items()}}
    named = isinstance(part, list) and part and all(isinstance(item, dict) and "name" in item for item in part)
    if not (named and isinstance(base, list)):
        return part
    by_name = {item["name"]: item for item in base}
    for item in part:
        by_name[item["name"]] = overlaid(by_name.get(item["name"]), item)
    return list(by_name.values())


def with_part(base: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """A whole declaration: the base, with the sections of a fragment."""
    whole = deepcopy(base)
    for key, value in part.items():
        where: Any = whole
        for step in PARTS_OF.get(key, ()):
            where = where[step]
        where[key] = overlaid(where.get(key), value)
    if "time_zone" in part:  # the same for every source with an event time
        for source in whole["sources"]:
            source |= {"time_zone": part["time_zone"]} if "event_time" in source else {}
    return whole


@pytest.mark.parametrize(("document", "text"), fences())
def test_a_fenced_yaml_loads(document: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, _ = load_yaml(text)
    if "ops" in part:
        for name in part["ops"]:
            assert f"{name.replace('__', '/')} |" in SNAPSHOT, f"{name}: there is no such asset"
        return
    if "apiVersion" in part:
        return
    if "type" in part:
        load_use_case(write_declaration(tmp_path / "whole", part["attributes"]))
        return
    functions = tmp_path / "card_payments" / "functions.py"
    functions.parent.mkdir()
    functions.write_text("def distance(size, amount):\n    return size - amount\n")
    monkeypatch.setattr(platform_assets.defs, "__path__", [*platform_assets.defs.__path__, str(tmp_path)])
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "holidays.csv").write_text("2026-04-06\n")
    base = queues() if "queue" in text and document == "training" else WORLDS.get(document, card_payments)()
    base = rows_without_key() if "digest_of" in text else base
    connectors = [source.pop("connector") for source in part.get("sources", ()) if "name" not in source]
    for connector in connectors or [None]:
        whole = with_part(base, {key: value for key, value in part.items() if not connector})
        if connector:
            whole["sources"][0]["connector"] = connector
        load_use_case(write_declaration(tmp_path / "part", whole))
