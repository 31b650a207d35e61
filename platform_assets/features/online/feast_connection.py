"""Feast itself: its settings, its configuration, and connections to its stores.

Belongs here: opening what the settings name. Does not belong here: Feast's objects (`online/feast_objects.py`), what is stored
(`online/state_table.py`, `online/lookup_state.py`). Feast costs seconds to import: only inside functions.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from platform_assets.features.feast_import import feast_module
from platform_assets.features.online.credentials import follow_secrets, kept_folder
from platform_assets.features.online.redis_client import REDIS, limited_client, redis_settings
from platform_assets.secret_sources.kept import KeptSecrets

_SQLITE = "sqlite"
SECRETS = "platform_assets_secrets"
"""The field of Feast's configuration that carries where logins come from."""


class FeastSettings(BaseModel):
    """Where Feast keeps what it knows. Each use case is a Feast project of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    project: str = Field(description="Feast project: the use case's name.")
    registry: str = Field(description="SQLAlchemy address of the registry, for example `sqlite:////path/registry.db`.")
    online_store: dict[str, Any] = Field(description="Feast's online store configuration, for example `{type: redis}`.")
    home: str = Field(description="Folder that relative paths start at.")
    credentials: str | None = Field(
        default=None,
        description="Folder with a file for each secret, which new connections log in by; what is in no setting is read from there.",
    )
    secrets: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="In this process alone: the source that new connections log in by.",
    )

    @property
    def kept(self) -> KeptSecrets | None:
        """Where new connections have their login from; None where it never changes."""
        if self.secrets is not None:
            return cast(KeptSecrets, self.secrets)
        return kept_folder(self.credentials) if self.credentials else None

    @property
    def sqlite_path(self) -> Path | None:
        """The online store's file, where it is SQLite."""
        if self.online_store.get("type") != _SQLITE:
            return None
        return Path(self.home) / str(self.online_store.get("path", "online.db"))


def repo_config(settings: FeastSettings) -> Any:
    """Feast's configuration: SQL registry that is read once, the online store of the settings."""
    online = dict(settings.online_store)
    if settings.sqlite_path is not None:
        online["path"] = str(settings.sqlite_path)
    if online.get("type") == REDIS:
        online = redis_settings(online)
    kept = settings.kept
    return feast_module().RepoConfig(
        **(
            {} if kept is None else {SECRETS: kept}
        ),  # Feast takes further fields, and hands the configuration to every client
        project=settings.project,
        provider="local",
        registry={"registry_type": "sql", "path": settings.registry, "cache_ttl_seconds": 0},
        online_store=online,
        entity_key_serialization_version=3,
    )


def feast_store(settings: FeastSettings) -> Any:
    """Feast's facade; its registry is opened when first used."""
    return feast_module().FeatureStore(repo_path=settings.home, config=repo_config(settings))


def connected_store(config: Any) -> Any:
    """Feast's online store object, with a connection of its own."""
    from feast.infra.online_stores.helpers import get_online_store_from_config

    online_store = get_online_store_from_config(config.online_store)
    if config.online_store.type == _SQLITE:
        # With the write-ahead log this is safe against crashes of the process, and spares a disk flush for each recorded
        # event; Feast has no setting for it. What a power cut takes, the next batch state brings back.
        online_store._get_conn(config).execute("PRAGMA synchronous=NORMAL")
    if config.online_store.type == REDIS:
        _followed(limited_client(online_store, config), config)
    return online_store


def redis_client_of(config: Any) -> Any:
    """A redis client for the online store of a configuration; None where the store is another one."""
    if config.online_store.type != REDIS:
        return None
    from feast.infra.online_stores.helpers import get_online_store_from_config

    return _followed(limited_client(get_online_store_from_config(config.online_store), config), config)


def _followed(client: Any, config: Any) -> Any:
    kept = getattr(config, SECRETS, None)
    if kept is not None:
        follow_secrets(client, kept)
    return client


def prepare_sqlite(settings: FeastSettings) -> None:
    """Let one process write while others read: SQLite's write-ahead log, which the file remembers."""
    path = settings.sqlite_path
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def file_problem(settings: FeastSettings) -> str | None:
    """What is wrong with the file of an SQLite online store; None where nothing is, and for other stores.

    Reads the whole file once: for commands, not for requests.
    """
    path = settings.sqlite_path
    if path is None:
        return None
    if not path.is_file():
        return f"the online store {path} does not exist"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
    except sqlite3.Error as error:
        return f"the online store {path} cannot be read: {error}"
    if verdict != "ok":
        return f"the online store {path} is damaged: {verdict}"
    return None if tables else f"the online store {path} is empty"


def is_set(value: Any) -> bool:
    """Whether one of Feast's values holds something."""
    return value is not None and value.WhichOneof("val") is not None
