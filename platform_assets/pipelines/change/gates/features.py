"""Gate `features`: no table holds features of two meanings, and models that serve keep the features that they were trained on.

Belongs here: views whose meaning differs under the name that they had. Does not belong here: what gives a feature its meaning
(`declaration/contract.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _Features:
    about: str = "a feature that means something else has a version of its own"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each view that means something else under the same table's name, and each that serving models lose."""
        for name in change.kept_use_cases:
            before, after = change.before.use_cases[name], change.after.use_cases[name]
            if before["declaration"]["serving"]["mode"] != "external":
                yield from _of_use_case(change, name, before["views"], after["views"])


def _of_use_case(
    change: RepositoryChange, name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[ChangeFinding]:
    file = change.after.file(name)
    for table, view in before.items():
        if table not in after:
            if not view["is_previous"]:
                again = next((other for other in after.values() if other["name"] == view["name"]), None)
                instead = f"version {again['version']} takes its place" if again else "nothing takes its place"
                yield ChangeFinding(
                    f"{name} features.{table}",
                    file,
                    change.after.line(name, ("features",)),
                    f"view {table} is gone ({instead}): the model that serves was trained on it and cannot be started again, nor rolled "
                    "back to",
                    "keep it up under `previous_features` until a newer model serves",
                )
        elif after[table]["meaning"] != view["meaning"]:
            place = _place_of(change, name, table)
            yield ChangeFinding(
                f"{name} features.{table}",
                file,
                change.after.line(name, place),
                f"view {table} means something else ({view['meaning']} → {after[table]['meaning']}) under the same name: its days would "
                "hold two meanings, and the model that serves would be asked with features that it does not know",
                f"give it `version: {view['version'] + 1}` and keep the older one under `previous_features`; the next training makes a "
                "model of it",
            )


def _place_of(change: RepositoryChange, name: str, table: str) -> tuple[int | str, ...]:
    declaration = change.after.use_cases[name]["declaration"]
    for section in ("features", "previous_features"):
        for place, view in enumerate(declaration[section]):
            version = view.get("version", 1)
            if table == (view["name"] if version == 1 else f"{view['name']}_v{version}"):
                return section, place
    return ("features",)


FEATURES = _Features()
