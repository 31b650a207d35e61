"""What a change changes, by subject: assets, columns, lineage, checks, limits, features, requests, tables, candidates.

Belongs here: comparing two descriptions. Does not belong here: whether it may (`gates/`), or how it is shown (`comment.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from platform_assets.deployment.proto_changes import breaking_changes
from platform_assets.pipelines.change.fields import Difference, differences
from platform_assets.pipelines.change.gates.tables import column_problems
from platform_assets.pipelines.change.limits import limit_of, loosenings
from platform_assets.pipelines.change.sides import RepositoryChange

ADDED: Final = "added"
REMOVED: Final = "removed"
CHANGED: Final = "changed"
_ASSET_FIELDS: Final = ("deps", "partitions", "automation", "owners", "fails_after_hours")
_ELSEWHERE: Final = ("features.", "previous_features.", "entities.", "training.learners.")
"""Sections that have a subject of their own."""


@dataclass(frozen=True)
class ChangeEntry:
    """One thing that is otherwise.

    Attributes:
        thing: what it is called.
        kind: `added`, `removed` or `changed`.
        detail: what about it, for people.
    """

    thing: str
    kind: str
    detail: str = ""


def report_of(change: RepositoryChange) -> dict[str, list[ChangeEntry]]:
    """Every difference by subject, in the order in which people read them; subjects without any are left out.

    Args:
        change: both sides.
    """
    subjects = {
        "models to train again": _retrained,
        "requests": _requests,
        "features": _features,
        "limits": _limits,
        "checks": _checks,
        "migrations": _migrations,
        "assets": _assets,
        "columns": _columns,
        "lineage": _lineage,
        "candidates": _candidates,
        "automation": _triggers,
        "further fields": _further,
    }
    found = {subject: list(compare(change)) for subject, compare in subjects.items()}
    return {subject: entries for subject, entries in found.items() if entries}


def _retrained(change: RepositoryChange) -> Iterator[ChangeEntry]:
    """Models whose inputs mean something else: the next training makes another one, and the one that serves stays until then."""
    for name in change.kept_use_cases:
        before, after = change.before.use_cases[name], change.after.use_cases[name]
        if before["contract"] != after["contract"]:
            yield ChangeEntry(
                name, CHANGED, f"feature contract {before['contract']} → {after['contract']}: a new model is needed"
            )
    yield from (
        ChangeEntry(name, ADDED, "a new use case")
        for name in change.after.use_cases
        if name not in change.before.use_cases
    )


def _requests(change: RepositoryChange) -> Iterator[ChangeEntry]:
    for name in change.kept_use_cases:
        before, after = change.before.use_cases[name]["proto"], change.after.use_cases[name]["proto"]
        if before is not None and after is not None and before != after:
            broken = breaking_changes(before, after)
            yield from (ChangeEntry(name, CHANGED, f"breaks callers: {text}") for text in broken)
            if not broken:
                yield ChangeEntry(name, CHANGED, "callers of before are served as before")
        elif (before is None) != (after is None):
            yield ChangeEntry(name, ADDED if before is None else REMOVED, "a service that is asked")


def _features(change: RepositoryChange) -> Iterator[ChangeEntry]:
    for name in change.kept_use_cases:
        before, after = change.before.use_cases[name], change.after.use_cases[name]
        old, new = set(before["inputs"]), set(after["inputs"])
        yield from (ChangeEntry(f"{name}.{feature}", ADDED) for feature in after["inputs"] if feature not in old)
        yield from (ChangeEntry(f"{name}.{feature}", REMOVED) for feature in before["inputs"] if feature not in new)
        for table, view in after["views"].items():
            known = before["views"].get(table)
            if known is not None and known["meaning"] != view["meaning"]:
                detail = f"means something else: {known['meaning']} → {view['meaning']}"
                yield ChangeEntry(f"{name}/features/{table}", CHANGED, detail)


def _limits(change: RepositoryChange) -> Iterator[ChangeEntry]:
    for name in change.kept_use_cases:
        before, after = change.before.use_cases[name], change.after.use_cases[name]
        higher = {**before["higher_is_better"], **after["higher_is_better"]}
        for difference in loosenings(before["declaration"], after["declaration"], higher):
            yield ChangeEntry(f"{name}.{difference}", CHANGED, f"looser: {difference.values}")
        for reverse in loosenings(after["declaration"], before["declaration"], higher):
            way = " ← ".join(reverse.values.split(" → "))
            yield ChangeEntry(f"{name}.{reverse}", CHANGED, f"tighter: {way}")


def _checks(change: RepositoryChange) -> Iterator[ChangeEntry]:
    for key, asset in change.after.assets.items():
        old = change.before.assets.get(key, {"checks": {}})["checks"]
        for check, blocks in asset["checks"].items():
            if check not in old:
                yield ChangeEntry(f"{key} {check}", ADDED, "blocks" if blocks else "reports")
            elif old[check] != blocks:
                yield ChangeEntry(f"{key} {check}", CHANGED, "blocks now" if blocks else "only reports now")
        yield from (ChangeEntry(f"{key} {check}", REMOVED) for check in old if check not in asset["checks"])


def _migrations(change: RepositoryChange) -> Iterator[ChangeEntry]:
    """What becomes of tables that are stored."""
    for name in change.kept_use_cases:
        before, after = (side.use_cases[name]["declaration"]["sources"] for side in (change.before, change.after))
        sources = {source["name"]: source for source in before}
        for source in after:
            old = sources.get(source["name"])
            if old is None:
                continue
            for migration in source["migrations"][len(old["migrations"]) :]:
                text = " ".join(f"{key} {value}" for key, value in migration.items() if key != "why")
                yield ChangeEntry(f"{name}.{source['name']}", ADDED, text)
            for _, message in column_problems(old, source):
                yield ChangeEntry(f"{name}.{source['name']}", CHANGED, f"needs a migration: {message}")


def _assets(change: RepositoryChange) -> Iterator[ChangeEntry]:
    before, after = change.before.assets, change.after.assets
    yield from (
        ChangeEntry(key, ADDED, asset["description"].partition(". ")[0])
        for key, asset in after.items()
        if key not in before
    )
    yield from (ChangeEntry(key, REMOVED) for key in before if key not in after)
    for key, asset in after.items():
        old = before.get(key, asset)
        for field in _ASSET_FIELDS:
            if old[field] != asset[field]:
                yield ChangeEntry(key, CHANGED, f"{field}: {_text(old[field])} → {_text(asset[field])}")


def _columns(change: RepositoryChange) -> Iterator[ChangeEntry]:
    for key, asset in change.after.assets.items():
        old: Mapping[str, Any] = change.before.assets.get(key, asset)["columns"]
        for column, now in asset["columns"].items():
            if column not in old:
                yield ChangeEntry(f"{key}.{column}", ADDED, now["type"])
            elif old[column] != now:
                changed = [
                    f"{field}: {old[column][field]} → {now[field]}" for field in now if old[column][field] != now[field]
                ]
                yield ChangeEntry(f"{key}.{column}", CHANGED, "; ".join(changed))
        yield from (ChangeEntry(f"{key}.{column}", REMOVED) for column in old if column not in asset["columns"])


def _lineage(change: RepositoryChange) -> Iterator[ChangeEntry]:
    """Columns that are made from others than before; those that are new or gone stand among the columns."""
    for name in change.kept_use_cases:
        before, after = change.before.use_cases[name]["lineage"], change.after.use_cases[name]["lineage"]
        for column, made_from in after.items():
            if column in before and before[column] != made_from:
                more = [f"+{origin}" for origin in made_from if origin not in before[column]]
                less = [f"-{origin}" for origin in before[column] if origin not in made_from]
                yield ChangeEntry(f"{name}/{column}", CHANGED, ", ".join([*more, *less]))


def _candidates(change: RepositoryChange) -> Iterator[ChangeEntry]:
    for name, difference in _of_section(change, "training.learners."):
        yield _as_entry(f"{name}.{str(difference).removeprefix('training.')}", difference)


def _triggers(change: RepositoryChange) -> Iterator[ChangeEntry]:
    before, after = (side.document["triggers"] for side in (change.before, change.after))
    yield from (ChangeEntry(name, ADDED, state) for name, state in after.items() if name not in before)
    yield from (ChangeEntry(name, REMOVED) for name in before if name not in after)
    yield from (
        ChangeEntry(name, CHANGED, f"{before[name]} → {state}")
        for name, state in after.items()
        if before.get(name, state) != state
    )


def _further(change: RepositoryChange) -> Iterator[ChangeEntry]:
    """Fields of the declaration that no other subject has."""
    for name, difference in _of_section(change, ""):
        path = str(difference)
        is_column = path.startswith("sources.") and (".columns." in path or ".migrations" in path)
        if not path.startswith(_ELSEWHERE) and not is_column and limit_of(path) is None:
            yield _as_entry(f"{name}.{path}", difference)


def _of_section(change: RepositoryChange, section: str) -> Iterator[tuple[str, Difference]]:
    for name in change.kept_use_cases:
        sides = (side.use_cases[name]["declaration"] for side in (change.before, change.after))
        yield from ((name, difference) for difference in differences(*sides) if str(difference).startswith(section))


def _as_entry(thing: str, difference: Difference) -> ChangeEntry:
    if difference.before is None:
        assert difference.after is not None, "a difference has a side"
        return ChangeEntry(thing, ADDED, _text(difference.after.value))
    if difference.after is None:
        return ChangeEntry(thing, REMOVED, _text(difference.before.value))
    return ChangeEntry(thing, CHANGED, difference.values)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, "") else str(value)
