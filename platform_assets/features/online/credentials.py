"""Credentials of Feast's stores that change while a process lives.

Belongs here: where a process has them from, and how the redis client and SQLAlchemy get the present ones. Does not belong here: sources of
secrets (`secret_sources/`), or the stores' other settings (`online/feast_connection.py`).

A service reads files and nothing else: no client of Vault or of a cloud is packed with it, and none is waited for while it answers. The
platform, an agent or the kubelet keeps the files fresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from platform_assets.secret_sources.database_logins import DatabaseLogins
from platform_assets.secret_sources.errors import SecretError, SecretsMisshapen, SecretsMissing
from platform_assets.secret_sources.files import FileSource
from platform_assets.secret_sources.kept import AGAIN_AFTER_SECONDS, KeptSecrets

REGISTRY, ONLINE_STORE = "PLATFORM_ASSETS_FEAST_REGISTRY", "PLATFORM_ASSETS_FEAST_ONLINE_STORE"
OF_SERVICES = (REGISTRY, ONLINE_STORE)
"""The secrets that a service needs."""
CREDENTIALS = "credentials"
"""The field of Feast's settings that names the folder."""


@lru_cache(maxsize=4)
def kept_folder(folder: str) -> KeptSecrets:
    """The credentials in a folder, a file for each; the files' rights are those of whoever wrote or mounted them."""
    return KeptSecrets(FileSource(Path(folder), private=False), AGAIN_AFTER_SECONDS)


def with_credentials(feast: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of Feast's settings, with addresses that stand in a folder in place of their absence; new connections follow it from now on.

    Args:
        feast: fields of `FeastSettings`; without `credentials` they are returned as they are.

    Raises:
        SecretError: the folder cannot be read, or holds something else.
    """
    folder = feast.get(CREDENTIALS)
    if not folder:
        return dict(feast)
    kept = kept_folder(str(folder))
    values = kept.values()
    found = dict(feast)
    if not feast.get("registry"):
        found["registry"] = _text(values, REGISTRY, str(folder))
    if not feast.get("online_store"):
        found["online_store"] = online_store_of(values, str(folder))
    DatabaseLogins(kept).follow()
    return found


def online_store_of(secrets: Mapping[str, str], where: str) -> dict[str, Any]:
    """Feast's configuration of the online store, as it stands among secrets.

    Raises:
        SecretsMissing: it does not.
        SecretsMisshapen: it is no JSON object; nothing of it is shown.
    """
    try:
        store = json.loads(_text(secrets, ONLINE_STORE, where))
    except ValueError:
        store = None
    if not isinstance(store, dict):
        raise SecretsMisshapen(f"{ONLINE_STORE} of {where} is no JSON object")
    return store


def _text(secrets: Mapping[str, str], name: str, where: str) -> str:
    if not secrets.get(name):
        raise SecretsMissing(
            f"{where} holds no {name}, which the service reads there: see `platform-assets secrets check`"
        )
    return secrets[name]


def follow_secrets(client: Any, kept: KeptSecrets) -> None:
    """Let each new connection of a redis client log in as the secrets say then.

    Connections that are open stay: Redis ends none when a password changes. A client of a Redis cluster keeps its password.
    """
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return
    options = pool.connection_kwargs
    login = options.pop("username", None), options.pop("password", None)
    options["credential_provider"] = _provider(kept, login)


def _provider(kept: KeptSecrets, first: tuple[str | None, str | None]) -> Any:
    from redis.credentials import CredentialProvider

    class PresentLogin(CredentialProvider):  # type: ignore[misc]  # redis has no types here
        """User and password in the online store's connection string, as it is now."""

        def get_credentials(self) -> tuple[str, str] | tuple[str] | tuple[()]:
            """As redis asks for them when it opens a connection."""
            try:
                user, password = redis_login(online_store_of(kept.bundle(0.0).values, kept.source.place))
            except SecretError:
                user, password = first  # what the client was made with may still hold
            if password is None:
                return ()
            return (password,) if user is None else (user, password)

    return PresentLogin()


def redis_login(online_store: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """User and password in Feast's connection string of a Redis: `host:port,username=...,password=...`."""
    parts = (part.partition("=") for part in str(online_store.get("connection_string", "")).split(","))
    given = {name: text for name, sign, text in parts if sign}
    return given.get("username"), given.get("password")
