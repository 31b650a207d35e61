"""Gate `small_world`: asset checks that are green before the change are green after it, on a small world of both sides.

Belongs here: naming what is red. Does not belong here: running the worlds (`../samples.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange


@dataclass(frozen=True)
class _SmallWorld:
    about: str = "a small world runs, and each of its asset checks that was green still is"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each world that did not run, and each check that became red."""
        for name, (before, after) in (change.samples or {}).items():
            file = change.after.file(name)
            for reason in after["failed"]:
                beside = " (nor does it run before the change)" if before is not None and before["failed"] else ""
                yield ChangeFinding(
                    "",
                    file,
                    1,
                    f"the small world of {name} does not run{beside}: {reason}",
                    "mend it; `--run` shows it again",
                )
            known = {} if before is None else before["checks"]
            for check, passed in after["checks"].items():
                if not passed and known.get(check, True):
                    evidence = after["evidence"].get(check, "")
                    yield ChangeFinding(
                        f"{name} small_world {check}",
                        file,
                        1,
                        f"{check} is red on the small world{', and was green' if check in known else ''}: {evidence}",
                        "look at what the change does to it, or have it accepted",
                    )


SMALL_WORLD = _SmallWorld()
