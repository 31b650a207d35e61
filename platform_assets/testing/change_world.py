"""A small repository of one use case, and changes to it: for tests and benchmarks of the gates of a change.

Belongs here: the use case's files, and editing them. Does not belong here: which changes are good or bad (`planted_changes.py`), or judging
(`pipelines/change/`).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from platform_assets.testing.child_process import ROOT
from platform_assets.testing.declare import declaration, row, window

NAME = "parking"
FOLDER = f"platform_assets/defs/{NAME}"
DECLARATION = f"{FOLDER}/defs.yaml"
CONTRACT = f"{FOLDER}/contracts/visits.odcs.yaml"
FUNCTIONS = "parking_functions.py"
TESTS = "tests/test_parking.py"
ACCEPTED_FILE = "accepted_changes.yaml"
CODE = ("platform_assets", "serving", "pyproject.toml")
"""What of the platform a checkout needs to be described by its own code."""

Document = dict[str, Any]
_FUNCTIONS = '''"""Functions of the features of parked cars (simulated)."""

import polars as pl


def above_limit(speed: pl.Series, lot: pl.Series) -> pl.Series:
    """How far above walking pace a car drove in."""
    return (speed - 6.0).clip(0.0, None) + 0.0 * lot
'''
_TESTS = '''"""Tests of the functions of parked cars."""

import polars as pl

from parking_functions import above_limit


def test_slow_cars_are_at_zero() -> None:
    assert above_limit(pl.Series([3.0]), pl.Series([1])).to_list() == [0.0]


def test_fast_cars_are_above() -> None:
    assert above_limit(pl.Series([16.0]), pl.Series([1])).to_list() == [10.0]
'''


def parking() -> Document:
    """The declaration, as plain values."""
    document = _declaration()
    document["training"]["metrics"] = ["auc_roc", "average_precision"]
    document["training"]["learners"] = [
        {"name": "constant", "kind": "constant", "baseline": True},
        {"name": "speed_alone", "kind": "single_feature", "feature": "speed", "baseline": True},
        {"name": "logistic", "kind": "logistic_regression"},
    ]
    document["entities"] = [{"name": "lot", "key": "lot", "description": "lot"}]
    document["serving"] |= {"request": ["visit", "at", "lot", "speed", "gate"], "unknown": "review"}
    document["sources"][0]["quality"] = {"max_refused_ratio": 0.01}
    return document


def _declaration() -> Document:
    return declaration(
        name=NAME,
        events={
            "visit": {"type": "int64", "unique": True},
            "at": "datetime",
            "lot": "int32",
            "speed": {"type": "float64", "minimum": 0, "maximum": 200},
            "gate": ["north", "south"],
            "paid": {"type": "float64", "nullable": True, "known_after": "payment"},
            "note": "string?",
        },
        label="unpaid",
        table="visits",
        features=[
            {"name": "visit", "rows": [row("speed", "speed"), row("fast", "CASE WHEN speed > 30 THEN 1 ELSE 0 END")]},
            {
                "name": "lot_activity",
                "entity": "lot",
                "windows": [
                    window("visits", "count", None, [1, 7]),
                    window("unpaid_share", "mean", "unpaid", [7], delay_days=1),
                ],
                "functions": [
                    {
                        "name": "above",
                        "description": "above",
                        "function": "parking_functions:above_limit",
                        "columns": ["speed", "lot"],
                    }
                ],
            },
        ],
        label_delay_days=1,
        gates={
            "floors": [{"metric": "auc_roc", "bound": 0.7}],
            "max_calibration_error": 0.05,
            "max_importance_share": 0.9,
            "slices": [{"name": "gate", "expression": "gate", "max_drop": 0.1}],
            "behaviour": [
                {
                    "name": "faster",
                    "kind": "direction",
                    "change": {"speed": "speed + 10"},
                    "score": "not_lower",
                    "tolerance": 0.01,
                }
            ],
        },
    )


def contract() -> Document:
    """What those who deliver visits promise, in the Open Data Contract Standard."""
    kinds = {"visit": "integer", "at": "timestamp", "lot": "integer", "speed": "number", "gate": "string"}
    optional = {"paid": "number", "note": "string"}
    properties: list[Document] = [{"name": name, "logicalType": kind, "required": True} for name, kind in kinds.items()]
    properties += [{"name": name, "logicalType": kind} for name, kind in optional.items()]
    properties[0] |= {"primaryKey": True, "primaryKeyPosition": 1, "unique": True}
    properties[3] |= {"logicalTypeOptions": {"minimum": 0, "maximum": 200}}
    return {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": "parking-visits",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "visits", "logicalType": "object", "properties": properties}],
    }


def write_world(root: Path) -> None:
    """Write the use case's files into a checkout."""
    write(root, DECLARATION, _as_yaml({"type": "platform_assets.MlUseCase", "attributes": parking()}))
    write(root, CONTRACT, _as_yaml(contract()))
    write(root, FUNCTIONS, _FUNCTIONS)
    write(root, TESTS, _TESTS)


def write(root: Path, path: str, text: str) -> None:
    """Write a file of a checkout."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def _as_yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def edit_yaml(path: str, edit: Callable[[Document], object], *within: str) -> Callable[[Path], None]:
    """A change of a YAML file.

    Args:
        path: of the file, below the root.
        edit: changes the document in place.
        within: keys to the part that `edit` gets.
    """

    def change(root: Path) -> None:
        document = yaml.safe_load((root / path).read_text(encoding="utf-8"))
        part = document
        for key in within:
            part = part[key]
        edit(part)
        write(root, path, _as_yaml(document))

    return change


def declared(edit: Callable[[Document], object]) -> Callable[[Path], None]:
    """A change of the declaration."""
    return edit_yaml(DECLARATION, edit, "attributes")


def edit_text(path: str, old: str, new: str) -> Callable[[Path], None]:
    """A change of the text of a file: all of what it says in one place.

    Raises:
        ValueError: when the change is made: the file does not say it.
    """

    def change(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{path} does not say {old!r}")
        write(root, path, text.replace(old, new))

    return change


def at_once(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    """Several changes as one."""

    def change(root: Path) -> None:
        for one in changes:
            one(root)

    return change


def git(root: Path, *arguments: str) -> None:
    """Run git in a repository of the world, as nobody in particular."""
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True, timeout=60)


@contextmanager
def repository(folder: Path, code: Mapping[str, Path] | None = None) -> Iterator[Path]:
    """A git repository with the world in it, and beside it the platform's code, committed on branch `main`.

    Args:
        folder: a new folder for it.
        code: folders and files of the platform that go along, by name; this platform's own when left out.
    """
    folder.mkdir(parents=True)
    for name, source in (code if code is not None else {name: ROOT / name for name in CODE}).items():
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "defs"))
        else:
            shutil.copy2(source, folder / name)
    write_world(folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The use case")
    yield folder
