"""The files of a home that a backup leaves out because they are made again, or hold secrets.

Belongs here: what is left out, and why. Does not belong here: copying (`taking.py`).

Left out: the target's folder (`serving/` has addresses of processes, and tokens of callers; what was deployed is deployed again from the
ledger), the online store (made again from the lake and the prediction log), scratch, locks, sockets, and what is not finished.
"""

from collections.abc import Callable, Collection

from platform_assets.recovery.databases import BESIDE_SQLITE

OWN = ".backup"
"""What a backup keeps in the home while it is made."""
STAGING = ".restoring"
"""Where files are written to in the home before they take their places."""
SET_ASIDE = "before-restore-"
"""Begins the name of the folder that a restore moves to what stood in the home."""

_MADE_AGAIN = frozenset({"serving", "scratch", OWN, STAGING})
_OF_AN_ENVIRONMENT = "environments"
_ENDINGS = (".lock", ".pid", ".sock", ".tmp", *BESIDE_SQLITE)


def left_out(elsewhere: Collection[str]) -> Callable[[str], bool]:
    """Whether a path below the home is left out.

    Args:
        elsewhere: files and folders that are copied by themselves, or not at all, below the home; `name*` for all that begin so.
    """
    whole = frozenset(path for path in elsewhere if not path.endswith("*"))
    begun = tuple(path.removesuffix("*") for path in elsewhere if path.endswith("*"))

    def is_left_out(path: str) -> bool:
        parts = path.split("/")
        own = parts[2:] if parts[0] == _OF_AN_ENVIRONMENT else parts
        if own and (own[0] in _MADE_AGAIN or own[0].startswith(SET_ASIDE)):
            return True
        return path in whole or path.startswith(begun) or parts[-1].endswith(_ENDINGS)

    return is_left_out
