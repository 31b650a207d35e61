"""How Feast is imported.

Belongs here: the import, and what it would do to a process besides. Does not belong here: anything that is done with Feast (`online/`,
`feast_repository/`). Feast costs seconds to import: only inside functions.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_runtime_type_checks() -> Iterator[None]:
    """Import Feast without typeguard rewriting its classes, which takes longer than the rest of the import, and time at every call."""
    import typeguard

    def unchecked(target: Any = None, **_: Any) -> Any:
        return (lambda decorated: decorated) if target is None else target

    checked = typeguard.typechecked
    typeguard.typechecked = unchecked
    try:
        yield
    finally:
        typeguard.typechecked = checked


def feast_module() -> Any:
    """Feast, with its log limited to errors, without the warning filters that its import sets for everybody, and without typeguard."""
    with warnings.catch_warnings(), without_runtime_type_checks():
        import feast
    logging.getLogger("feast").setLevel(logging.ERROR)
    return feast
