"""Gate `limits`: no limit of data, models or answers is loosened or taken out without somebody who answers for it.

Belongs here: naming what is looser. Does not belong here: which way a limit is loosened (`../limits.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.limits import loosenings
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _Limits:
    about: str = "limits of data, models and answers are as tight as before"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each limit that lets more pass."""
        for name in change.kept_use_cases:
            before, after = change.before.use_cases[name], change.after.use_cases[name]
            higher = {**before["higher_is_better"], **after["higher_is_better"]}
            for difference in loosenings(before["declaration"], after["declaration"], higher):
                place = difference.after or difference.before
                assert place is not None, "a difference has a side"
                where = place.where if difference.after is not None else place.where[:-1]
                is_gone = difference.after is None and difference.before is not None and difference.before.value is None
                what = f"{difference} is gone" if is_gone else f"{difference} is looser: {difference.values}"
                yield ChangeFinding(
                    f"{name} {difference}",
                    change.after.file(name),
                    change.after.line(name, where),
                    what,
                    "tighten it again, or have it accepted: who answers for it, why, until when",
                )


LIMITS_KEPT = _Limits()
