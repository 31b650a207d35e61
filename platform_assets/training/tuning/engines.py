"""The engines that a search can be declared with.

Belongs here: the list. Does not belong here: what an engine does (`optuna_engine`), the words that engines and searches share (`search`).
"""

from __future__ import annotations

from collections.abc import Callable

from platform_assets.members import MemberRegistry
from platform_assets.training.tuning.trials import Engine, SearchError

ENGINES: MemberRegistry[Callable[[], Engine]] = MemberRegistry(
    "search engine", {"optuna": "platform_assets.training.tuning.optuna_engine:OptunaEngine"}
)


def engine_named(name: str) -> Engine:
    """The engine that a declaration calls `name`.

    Raises:
        SearchError: there is no such engine.
    """
    if name not in ENGINES:
        raise SearchError(f"there is no search engine {name!r}; declare `{'`, `'.join(ENGINES)}`")
    return ENGINES[name]()
