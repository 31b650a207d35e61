"""What the shell completes: names of use cases, and versions of their models.

Belongs here: cheap answers, for a key is pressed. Does not belong here: anything that loads a declaration or opens the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

DEFINITIONS = Path(__file__).parents[1] / "defs"
ALIASES = ("champion", "challenger")


def use_case_names(incomplete: str) -> list[str]:
    """Use cases by the names of their folders."""
    names = (path.parent.name for path in sorted(DEFINITIONS.glob("*/defs.yaml")))
    return [name for name in names if name.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """`MODEL@` once the model is not yet typed, then its aliases and the versions that were promoted."""
    name, separator, version = incomplete.partition("@")
    if not separator:
        return [f"{one}@" for one in use_case_names(name)]
    return [f"{name}@{one}" for one in (*ALIASES, *_promoted(name)) if one.startswith(version)]


def _promoted(name: str) -> Iterator[str]:
    """Versions that stand in the ledger, the newest first; none where it cannot be read."""
    from platform_assets.installation import Installation
    from platform_assets.lake.errors import LakeError
    from platform_assets.settings import SettingsError

    try:
        entries = Installation.from_environment().models.ledger(name).entries(name)
    except (SettingsError, LakeError, OSError):
        return
    yield from dict.fromkeys(reversed(entries["model_version"].to_list()))
