"""Gate `checks`: asset checks stay, and those that block go on blocking, on every asset that stays.

Belongs here: checks of Dagster's graph, whatever made them: a declaration or code. Does not belong here: limits within a check
(`loosened_limits.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _Checks:
    about: str = "no asset check is gone, and none that blocked only reports"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each check that is gone or blocks no more."""
        if not change.after.assets:
            return
        for key, asset in change.before.assets.items():
            name = key.partition("/")[0]
            if key not in change.after.assets or name not in change.kept_use_cases:
                continue
            now = change.after.assets[key]["checks"]
            for check, blocks in asset["checks"].items():
                if check in now and (now[check] or not blocks):
                    continue
                what = "blocks no more: what is downstream goes on when it is red" if check in now else "is gone"
                yield ChangeFinding(
                    f"{key} {check}",
                    change.after.file(name),
                    1,
                    f"check {check} of {key} {what}",
                    "put it back, or have it accepted: who answers for it, why, until when",
                )


CHECKS_KEPT = _Checks()
