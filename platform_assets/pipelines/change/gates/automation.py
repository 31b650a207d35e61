"""Gate `automation`: what started by itself still does, as often as before, and staleness is told as soon.

Belongs here: conditions and freshness of assets, schedules, sensors, and how often a model is trained. Does not belong here: what is due
(`pipelines/due.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from platform_assets.pipelines.change.fields import Difference, differences
from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange

RUNNING: Final = "RUNNING"
NEXT_STEP: Final = "put it back, or have it accepted: who answers for it, why, until when"
SLOWER: Final = frozenset(
    {
        "training.every_days",
        "freshness.warn_after_hours",
        "freshness.fail_after_hours",
        "monitoring.retrain.violations",
        "monitoring.retrain.cooldown_days",
        "monitoring.retrain.labelled_days",
        "monitoring.alerts.rollout_hours",
        "monitoring.alerts.late_days",
    }
)
"""Fields of which a larger value makes something start, or people be told, later."""


@dataclass(frozen=True)
class _Automation:
    about: str = "what starts by itself goes on to, as often, and what is late is told as soon"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """What starts no more, or later."""
        for name in change.kept_use_cases:
            declarations = (side.use_cases[name]["declaration"] for side in (change.before, change.after))
            for difference in differences(*declarations):
                if str(difference) in SLOWER and _is_later(difference):
                    assert difference.after is not None, "fields of sections are always there"
                    yield ChangeFinding(
                        f"{name} {difference}",
                        change.after.file(name),
                        change.after.line(name, difference.after.where),
                        f"{difference} is later: {difference.values}",
                        NEXT_STEP,
                    )
            if change.after.assets:
                yield from _of_graph(change, name)


def _is_later(difference: Difference) -> bool:
    return (
        difference.before is not None
        and difference.after is not None
        and difference.after.value > difference.before.value
    )


def _of_graph(change: RepositoryChange, name: str) -> Iterator[ChangeFinding]:
    file = change.after.file(name)
    for key, asset in change.before.assets.items():
        now: Mapping[str, Any] | None = change.after.assets.get(key)
        if now is not None and key.startswith(f"{name}/") and asset["automation"] and not now["automation"]:
            message = f"{key} starts by hand only now; before: {asset['automation']}"
            yield ChangeFinding(f"{key} automation", file, 1, message, NEXT_STEP)
    for trigger, status in change.before.document["triggers"].items():
        if trigger.startswith(f"{name}__") and status == RUNNING:
            now_status = change.after.document["triggers"].get(trigger)
            if now_status != RUNNING:
                what = "is gone" if now_status is None else "is off unless somebody turns it on"
                yield ChangeFinding(f"{trigger} trigger", file, 1, f"{trigger} {what}", NEXT_STEP)


AUTOMATION = _Automation()
