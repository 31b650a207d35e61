"""Bad and good changes to a small use case, planted on purpose: each bad one with the gate that is meant for it.

Belongs here: what is done to the files of `change_world`. Does not belong here: judging (`pipelines/change/`), counting
(`benchmarks/changes/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from platform_assets.testing.change_world import (
    ACCEPTED_FILE,
    CONTRACT,
    DECLARATION,
    FUNCTIONS,
    TESTS,
    Document,
    at_once,
    declared,
    edit_text,
    edit_yaml,
    parking,
    write,
)
from platform_assets.testing.declare import row, window

SCORED = "platform_assets/orchestration/assets/training.py"
SENSORS = "platform_assets/orchestration/sensors.py"


@dataclass(frozen=True)
class PlantedChange:
    """A change.

    Attributes:
        gate: that is meant to stop it; empty for a good one.
        make: makes it in a checkout.
        needs_code: whether it changes the platform's own code, so that both sides have to be read by theirs.
    """

    gate: str
    make: Callable[[Path], None]
    needs_code: bool = False


def _source(document: Document) -> Document:
    source: Document = document["sources"][0]
    return source


def _column(document: Document, name: str) -> Document:
    found: Document = next(column for column in _source(document)["columns"] if column["name"] == name)
    return found


def _drop_column(document: Document, name: str) -> None:
    _source(document)["columns"] = [column for column in _source(document)["columns"] if column["name"] != name]


def _new_column(document: Document, name: str) -> None:
    _source(document)["columns"].append({"name": name, "type": "int32", "description": name, "nullable": True})
    added = {"kind": "default", "column": name, "value": None, "why": "delivered from now on"}
    _source(document)["migrations"] = [added]


def _longer_request(document: Document) -> None:
    _new_column(document, "axles")
    document["serving"]["request"].append("axles")


def _retired(document: Document) -> None:
    _drop_column(document, "note")
    _source(document)["migrations"] = [{"kind": "retire", "column": "note", "why": "nobody reads it"}]


def _promise(name: str, kind: str) -> Callable[[Path], None]:
    def edit(contract: Document) -> None:
        contract["schema"][0]["properties"].append({"name": name, "logicalType": kind})

    return edit_yaml(CONTRACT, edit)


def _promised(column: str, **fields: Any) -> Callable[[Path], None]:
    def edit(contract: Document) -> None:
        properties = contract["schema"][0]["properties"]
        next(item for item in properties if item["name"] == column).update(fields)

    return edit_yaml(CONTRACT, edit)


def _accepted(change: str, *, days: int = 30, **more: Any) -> Callable[[Path], None]:
    until = (datetime.now(UTC).date() + timedelta(days=days)).isoformat()
    entry = {"change": change, "who": "team:tests", "why": "agreed with those who watch it", "until": until, **more}
    text = yaml.safe_dump([{key: value for key, value in entry.items() if value is not None}])
    return lambda root: write(root, ACCEPTED_FILE, text)


def _rewritten_feature(document: Document) -> None:
    document["features"][0]["rows"][1]["expression"] = "CASE WHEN speed > 50 THEN 1 ELSE 0 END"


def _new_version(document: Document) -> None:
    older = yaml.safe_load(yaml.safe_dump(document["features"][0]))
    _rewritten_feature(document)
    document["features"][0]["version"] = 2
    document["previous_features"] = [older]


def _second_use_case(root: Path) -> None:
    text = yaml.safe_dump({"type": "platform_assets.MlUseCase", "attributes": {**parking(), "name": "parking_again"}})
    write(root, DECLARATION.replace("parking", "parking_again"), text)


def _bypass(document: Document) -> None:
    day = (datetime.now(UTC).date() + timedelta(days=14)).isoformat()
    why = "the new gate of the lot is not calibrated yet"
    document["gates"]["bypasses"] = [{"gate": "calibration", "who": "team:tests", "why": why, "until": day}]


BAD: Mapping[str, PlantedChange] = {
    "a field that no declaration has": PlantedChange("declarations", declared(lambda d: d.update(schedule="hourly"))),
    "a type that there is not": PlantedChange(
        "declarations", declared(lambda d: _column(d, "lot").update(type="integer"))
    ),
    "a column taken out that a feature reads": PlantedChange(
        "declarations", declared(lambda d: _drop_column(d, "speed"))
    ),
    "a window over labels before they are known (leak)": PlantedChange(
        "declarations", declared(lambda d: d["features"][1]["windows"][1].update(delay_days=0))
    ),
    "a feature of what is known later (leak)": PlantedChange(
        "declarations", declared(lambda d: d["features"][0]["rows"].append(row("paid", "paid")))
    ),
    "a key that stands twice": PlantedChange(
        "declarations", edit_text(DECLARATION, "  name: parking\n", "  name: parking\n  name: lots\n")
    ),
    "a history too short for its folds": PlantedChange(
        "definitions", declared(lambda d: d["history"].update(last_day="2024-01-10")), needs_code=True
    ),
    "the use case taken out": PlantedChange("definitions", lambda root: (root / DECLARATION).unlink()),
    "a column that nobody promised": PlantedChange("contracts", declared(lambda d: _new_column(d, "axles"))),
    "a promise weakened: speed may be missing": PlantedChange("contracts", _promised("speed", required=False)),
    "a promise of another type": PlantedChange("contracts", _promised("lot", logicalType="string")),
    "the contract taken out": PlantedChange("contracts", lambda root: (root / CONTRACT).unlink()),
    "a column of the request taken out": PlantedChange(
        "requests", declared(lambda d: d["serving"]["request"].remove("gate"))
    ),
    "columns of the request put in another order": PlantedChange(
        "requests", declared(lambda d: d["serving"]["request"].sort())
    ),
    "a feature that means something else": PlantedChange("features", declared(_rewritten_feature)),
    "a view taken out while its model serves": PlantedChange("features", declared(lambda d: d["features"].pop(1))),
    "a function that draws by chance": PlantedChange(
        "functions",
        at_once(
            edit_text(FUNCTIONS, "import polars as pl\n", "import random\n\nimport polars as pl\n"),
            edit_text(FUNCTIONS, "+ 0.0 * lot", "+ random.random() * lot"),
        ),
    ),
    "a function that asks the clock": PlantedChange(
        "functions",
        at_once(
            edit_text(
                FUNCTIONS, "import polars as pl\n", "from datetime import UTC, datetime\n\nimport polars as pl\n"
            ),
            edit_text(FUNCTIONS, "+ 0.0 * lot", "+ datetime.now(UTC).hour * lot"),
        ),
    ),
    "a stored column taken out": PlantedChange("tables", declared(lambda d: _drop_column(d, "note"))),
    "a type made narrower": PlantedChange("tables", declared(lambda d: _column(d, "visit").update(type="int32"))),
    "days of another time zone": PlantedChange(
        "tables", declared(lambda d: [source.update(time_zone="Europe/Berlin") for source in d["sources"]])
    ),
    "a floor lowered": PlantedChange("limits", declared(lambda d: d["gates"]["floors"][0].update(bound=0.6))),
    "a behaviour test taken out": PlantedChange("limits", declared(lambda d: d["gates"].pop("behaviour"))),
    "a behaviour test made wider": PlantedChange(
        "limits", declared(lambda d: d["gates"]["behaviour"][0].update(tolerance=0.5))
    ),
    "more rows may be refused": PlantedChange(
        "limits", declared(lambda d: _source(d)["quality"].update(max_refused_ratio=0.5))
    ),
    "a column's largest value taken out": PlantedChange(
        "limits", declared(lambda d: _column(d, "speed").pop("maximum"))
    ),
    "a column no longer known as late": PlantedChange(
        "limits", declared(lambda d: _column(d, "paid").pop("known_after"))
    ),
    "one baseline less": PlantedChange("limits", declared(lambda d: d["training"]["learners"].pop(1))),
    "drift that is watched no more": PlantedChange(
        "limits",
        declared(lambda d: d["monitoring"].update(columns={"speed": {"watched": False, "why": "it is noisy"}})),
    ),
    "a check that is made no more": PlantedChange("checks", declared(lambda d: d["gates"].pop("max_importance_share"))),
    "a check that blocks no more, in code": PlantedChange(
        "checks", edit_text(SCORED, "blocking=True", "blocking=False"), needs_code=True
    ),
    "trained once a quarter": PlantedChange("automation", declared(lambda d: d["training"].update(every_days=90))),
    "told of stale data a month later": PlantedChange(
        "automation", declared(lambda d: d.update(freshness={"warn_after_hours": 700, "fail_after_hours": 720}))
    ),
    "sensors off, in code": PlantedChange(
        "automation", edit_text(SENSORS, "if running", "if not running"), needs_code=True
    ),
    "a test taken out": PlantedChange(
        "tests", edit_text(TESTS, "def test_fast_cars_are_above", "def fast_cars_are_above")
    ),
    "a test skipped": PlantedChange(
        "tests",
        at_once(
            edit_text(TESTS, "import polars as pl\n", "import polars as pl\nimport pytest\n"),
            edit_text(TESTS, "def test_fast", '@pytest.mark.skip("red")\ndef test_fast'),
        ),
    ),
    "a key of a cloud in a file": PlantedChange(
        "secrets", lambda root: write(root, "load.yaml", f"key: {'AKIA' + 'Q7' * 8}\n")
    ),
    "a password in an address": PlantedChange(
        "secrets",
        lambda root: write(root, "load.yaml", "database: postgresql://loader" + ":" + "w3ntUp-7@shop/orders\n"),
    ),
    "an import that nothing uses": PlantedChange(
        "lint", edit_text(FUNCTIONS, "import polars as pl\n", "import json\n\nimport polars as pl\n")
    ),
    "YAML that is none": PlantedChange("lint", lambda root: write(root, "load.yaml", "a: [1, 2\n")),
    "an acceptance that is over": PlantedChange(
        "acceptances",
        at_once(
            declared(lambda d: d["gates"]["floors"][0].update(bound=0.6)),
            _accepted("parking gates.floors.auc_roc.bound", days=-1),
        ),
    ),
    "an acceptance without a reason": PlantedChange(
        "acceptances", _accepted("parking gates.floors.auc_roc.bound", why=None)
    ),
}
"""What was done, and the gate that is meant for it."""

GOOD: Mapping[str, PlantedChange] = {
    name: PlantedChange("", make)
    for name, make in {
        "a description": declared(lambda d: d.update(description="Who leaves without paying.")),
        "a floor raised": declared(lambda d: d["gates"]["floors"][0].update(bound=0.75)),
        "a further floor": declared(
            lambda d: d["gates"]["floors"].append({"metric": "average_precision", "bound": 0.2})
        ),
        "a further behaviour test": declared(
            lambda d: d["gates"]["behaviour"].append(
                {"name": "slow", "kind": "minimum_case", "given": {"speed": 0}, "at_most": 0.9}
            )
        ),
        "fewer rows may be refused": declared(lambda d: _source(d)["quality"].update(max_refused_ratio=0.001)),
        "a limit of drift tightened": declared(lambda d: d["monitoring"].update(max_ks=0.04)),
        "a further view": declared(
            lambda d: d["features"].append(
                {
                    "name": "crawl",
                    "description": "crawl",
                    "rows": [row("slow", "CASE WHEN speed < 5 THEN 1 ELSE 0 END")],
                }
            )
        ),
        "a new version of a view, the older one kept up": declared(_new_version),
        "a new column that is promised": at_once(
            declared(lambda d: _new_column(d, "axles")), _promise("axles", "integer")
        ),
        "a column renamed by a migration": at_once(
            declared(
                lambda d: (
                    _column(d, "note").update(name="remark"),
                    _source(d).update(
                        migrations=[{"kind": "rename", "column": "remark", "was": "note", "why": "as the source says"}]
                    ),
                )
            ),
            _promised("note", name="remark"),
        ),
        "a column retired by a migration": declared(_retired),
        "a request that may carry more": at_once(
            declared(_longer_request),
            _promise("axles", "integer"),
        ),
        "a further candidate": declared(
            lambda d: d["training"]["learners"].append({"name": "forest", "kind": "random_forest"})
        ),
        "other settings of a candidate": declared(lambda d: d["training"]["learners"][2].update(settings={"C": 0.1})),
        "trained more often": declared(lambda d: d["training"].update(every_days=3)),
        "another owner": declared(lambda d: d.update(owner="team:lots")),
        "more memory for training": declared(lambda d: d.update(compute={"model": {"cpus": 2, "memory_gigabytes": 4}})),
        "a bypass with who, why and until when": declared(_bypass),
        "a floor lowered, and somebody answers for it": at_once(
            declared(lambda d: d["gates"]["floors"][0].update(bound=0.65)),
            _accepted("parking gates.floors.auc_roc.bound"),
        ),
        "a second use case": _second_use_case,
        "a further test": edit_text(
            TESTS, "def test_fast", "def test_nothing() -> None:\n    assert True\n\n\ndef test_fast"
        ),
        "a test in another file": at_once(
            lambda root: write(root, "tests/test_functions.py", (root / TESTS).read_text(encoding="utf-8")),
            lambda root: (root / TESTS).unlink(),
        ),
        "a variable that names a password": lambda root: write(
            root, "load.yaml", "password: ${LOADER_PASSWORD}\nurl: postgresql://loader:${LOADER_PASSWORD}@shop/orders\n"
        ),
        "a page of the documentation": lambda root: write(
            root, "README.md", "# Parking\n\nWho leaves without paying.\n"
        ),
        "a shorter window beside the others": declared(
            lambda d: d["features"].append(
                {
                    "name": "lot_now",
                    "description": "lot now",
                    "entity": "lot",
                    "windows": [{**window("visits_now", "count", None, []), "lengths": ["1h"]}],
                }
            )
        ),
    }.items()
}
"""Changes that nobody should be kept from."""
