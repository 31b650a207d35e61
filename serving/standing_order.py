"""The standing order that a service answers under: read from beside the prediction log, at most once a second.

Belongs here: noticing that one was given or lifted. Does not belong here: what an answer becomes (`app.py`), or when one is given.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from platform_assets.declaration.standing_order import STANDING_ORDER, StandingOrder, read_order

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


@dataclass
class OrderInForce:
    """Asks the file, and remembers its answer for a second.

    Attributes:
        folder: of the prediction log.
    """

    folder: Path
    _looked: float = field(default=float("-inf"), init=False)
    _stamp: tuple[int, int] | None = field(default=None, init=False)
    _order: StandingOrder | None = field(default=None, init=False)

    def now(self) -> StandingOrder | None:
        """The order in force; a file that cannot be read changes nothing, and is logged."""
        moment = time.monotonic()
        if moment - self._looked >= LOOK_SECONDS:
            self._looked = moment
            self._look()
        return self._order if self._order is not None and self._order.is_in_force else None

    def _look(self) -> None:
        try:
            found = (self.folder / STANDING_ORDER).stat()
            stamp = found.st_mtime_ns, found.st_ino
        except FileNotFoundError:
            self._stamp = self._order = None
            return
        except OSError as error:
            logger.error("the standing order cannot be looked at: %s", error)
            return
        if stamp == self._stamp:
            return
        try:
            self._order, self._stamp = read_order(self.folder), stamp
        except (ValueError, OSError) as error:
            logger.error("%s", error)
            return
        logger.warning("standing order: %s", self._order)
