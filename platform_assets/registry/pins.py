"""What models, training sets and declared holds pin: versions of tables that must stay readable.

Belongs here: collecting the pins of a use case. Does not belong here: what a pin is (`lake/pins.py`), or removing files
(`lake/maintenance.py`). A pin that cannot be found out is an error, never left out.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.lake.commits import HistoryEntry
from platform_assets.lake.pins import Pin, data_version_pins, history_pins, table_path
from platform_assets.lake.table import LakeTable
from platform_assets.registry.base import CHALLENGER, CHAMPION, ModelRegistry
from platform_assets.registry.errors import RegistryError

DATA_VERSIONS = "data_versions"
"""Tag of a registered version, and key in a training set's commit metadata: Delta versions by path, as JSON."""


def collect_pins(
    use_case: UseCase,
    training_set: LakeTable,
    registry: ModelRegistry,
    histories: Mapping[str, list[HistoryEntry]],
    now: datetime,
    keep_days: int | None = None,
) -> list[Pin]:
    """Every pin of a use case, by table and version.

    Args:
        use_case: The declaration.
        training_set: The table of its training sets.
        registry: Where its models are registered.
        histories: All commits of each of its tables, newest first, by `use_case/layer/table`.
        now: The present.
        keep_days: Instead of the declared `retention.keep_days`.

    Raises:
        RegistryError: It cannot be told what a registered version was made from.
    """
    days = use_case.retention.keep_days if keep_days is None else keep_days
    pins = [*model_pins(use_case, registry), *training_set_pins(training_set), *hold_pins(use_case, now.date())]
    for table, history in histories.items():
        pins += history_pins(table, history, days, now)
    return sorted(set(pins), key=lambda pin: (pin.table, pin.version, pin.reason, pin.why))


def model_pins(use_case: UseCase, registry: ModelRegistry) -> list[Pin]:
    """What the registered versions of a use case's model were made from.

    Raises:
        RegistryError: A version's record of it cannot be read.
    """
    aliases: dict[str, list[str]] = {}
    for alias in (CHAMPION, CHALLENGER):
        holder = registry.by_alias(use_case.name, alias)
        if holder is not None:
            aliases.setdefault(holder.version, []).append(alias)
    pins: list[Pin] = []
    for version in registry.versions(use_case.name):
        named = ", ".join([*aliases.get(version.version, []), f"as of {version.tags.get('as_of', 'an unknown day')}"])
        made_from = _versions(
            version.tags.get(DATA_VERSIONS, ""), f"model version {version.version} of {use_case.name}"
        )
        pins += data_version_pins(made_from, "model", f"model version {version.version} ({named})")
    return pins


def training_set_pins(training_set: LakeTable) -> list[Pin]:
    """What the training sets that still exist were made from, and the version that each was written as."""
    if not training_set.exists():
        return []
    history = training_set.history(None)
    pins: list[Pin] = []
    for as_of in training_set.partitions():
        entry = written_by(history, as_of)
        if entry is None:
            continue
        why = f"training set as of {as_of}"
        made_from = _versions(entry.metadata.get(DATA_VERSIONS), why)
        pins += data_version_pins(made_from, "training_set", why)
    return pins


def hold_pins(use_case: UseCase, today: date) -> list[Pin]:
    """Declared holds that are in force."""
    return [
        Pin(
            f"{use_case.name}/{hold.table}",
            hold.version,
            "hold",
            f"held for {hold.who}{f' until {hold.until}' if hold.until else ''}: {hold.why}",
        )
        for hold in use_case.retention.holds
        if hold.is_in_force(today)
    ]


def written_by(history: list[HistoryEntry], day: date) -> HistoryEntry | None:
    """The newest commit of those given, newest first, that wrote a partition; upkeep of the table in between does not count."""
    return next(
        (entry for entry in history if entry.partitions and entry.partitions[0] <= day <= entry.partitions[1]), None
    )


def versions_behind(training_set: LakeTable, as_of: date) -> dict[str, int | None]:
    """Delta versions behind the training set of a day: its own, and those that it was made from."""
    limit = 8
    while True:
        history = training_set.history(limit)
        entry = written_by(history, as_of)
        if entry is not None:
            recorded = _versions(entry.metadata.get(DATA_VERSIONS), f"training set as of {as_of}")
            return {**recorded, f"/{table_path(training_set.uri)}": entry.version}
        if len(history) < limit:
            raise RegistryError(
                f"no commit of {training_set.uri} says that it wrote the training set as of {as_of}, so that it cannot be "
                "told what a model would be made from: materialize the training set again"
            )
        limit *= 8


def _versions(text: str | None, what: str) -> dict[str, Any]:
    try:
        versions = json.loads("{}" if text is None else text)
        if isinstance(versions, dict) and all(value is None or isinstance(value, int) for value in versions.values()):
            return versions
    except ValueError:
        pass
    raise RegistryError(
        f"the data versions of {what} cannot be read: {text!r}. While that is so, nothing can be removed safely: "
        "mend the record, or delete that version."
    )
