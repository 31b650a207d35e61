"""The use cases of this installation.

Belongs here: finding their folders. Does not belong here: what a use case is (`declaration/`).
"""

from dataclasses import dataclass
from pathlib import Path

import platform_assets
from platform_assets.declaration import UseCase, load_use_case


@dataclass(frozen=True)
class DeclaredUseCase:
    """A use case and the folder it is declared in."""

    use_case: UseCase
    folder: Path


def declared_use_cases(name: str | None = None) -> list[DeclaredUseCase]:
    """All use cases below `platform_assets/defs`, or the one of that name.

    Raises:
        ValueError: when there is none.
    """
    root = Path(platform_assets.__file__).parent / "defs"
    found = [DeclaredUseCase(load_use_case(path), path.parent) for path in sorted(root.glob("*/defs.yaml"))]
    chosen = [declared for declared in found if name is None or declared.use_case.name == name]
    if not chosen:
        names = ", ".join(declared.use_case.name for declared in found) or "none"
        raise ValueError(f"there is no use case {name or ''!r} below {root}; declared: {names}")
    return chosen
