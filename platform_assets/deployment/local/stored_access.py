"""Who may call, as it was last put in force: kept in the target's root, for whoever brings the target up.

Belongs here: the file, and going back where the proxy refuses. Does not belong here: what is in it (`deployment/callers.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_assets.declaration.sections.callers import Callers
from platform_assets.deployment.callers import CallerAccess, in_words, load_access, problems_of
from platform_assets.deployment.errors import RoutingRefused
from platform_assets.deployment.local.host import write_private

FILE = "callers.json"
"""In the target's root, readable by its owner only: tokens are in it."""
SALT_BYTES = 16


@dataclass(frozen=True)
class ReportedAccess:
    """What a status says of who may call.

    Attributes:
        access: what is in force.
        words: the same for people.
        problems: why callers are all refused, each with what to do.
    """

    access: CallerAccess
    words: str
    problems: tuple[str, ...]


class StoredAccess:
    """The access of one target."""

    def __init__(self, root: Path, wanted: CallerAccess | None) -> None:
        """Describe it; nothing is read.

        Args:
            root: of the target.
            wanted: what is to be in force from the next time on that the target is brought up; None for what is.
        """
        self._path, self._wanted = root / FILE, wanted

    def load(self) -> CallerAccess:
        """What is in force.

        Raises:
            CallersUnusable: it cannot be used, for instance because a certificate is gone.
        """
        return load_access(self._path)

    def put_in_force(self, bring_up: Callable[[], None]) -> None:
        """Bring the proxy up with what is wanted; where it refuses that, with what was in force before.

        Raises:
            RoutingRefused: it refuses.
        """
        if self._wanted is None:
            return bring_up()
        before = self.load()
        self._store(self._wanted.model_copy(update={"salt": before.salt or secrets.token_hex(SALT_BYTES)}))
        try:
            bring_up()
        except RoutingRefused:
            self._store(before)
            bring_up()
            raise

    def reported(self, required: Mapping[str, Callers]) -> ReportedAccess:
        """What a status says of it, and what is wrong with it."""
        access = self.load()
        return ReportedAccess(access, in_words(access, required), problems_of(access, required))

    def _store(self, access: CallerAccess) -> None:
        write_private(self._path, access.model_dump_json(indent=1) + "\n")
