"""Which exchange goes with which online store.

Belongs here: opening the one of the settings. Does not belong here: any exchange.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platform_assets.features.online.exchange.base import EventExchange
from platform_assets.features.online.exchange.file_exchange import FileExchange
from platform_assets.features.online.exchange.redis_exchange import RedisExchange
from platform_assets.features.online.feast_connection import FeastSettings, redis_client_of

FILE = "exchange.db"


def open_exchange(settings: FeastSettings, config: Any) -> EventExchange:
    """The exchange of all processes that serve from an online store: of a Redis everywhere, of any other on this machine.

    Args:
        settings: where the online store is.
        config: Feast's configuration of it.

    Raises:
        sqlite3.Error: the file beside the online store can be neither opened nor made.
        redis.exceptions.RedisError: Redis does not answer.
    """
    client = redis_client_of(config)
    if client is not None:
        return RedisExchange(client, settings.project)
    store = settings.sqlite_path
    folder = Path(settings.home) if store is None else store.parent
    folder.mkdir(parents=True, exist_ok=True)
    return FileExchange(folder / (FILE if store is None else f"{store.name}.{FILE}"), settings.project)
