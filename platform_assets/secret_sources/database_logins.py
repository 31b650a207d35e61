"""Passwords of databases that change while a process lives: every new connection of SQLAlchemy logs in as the source says now.

Belongs here: the place at which SQLAlchemy lets a login be replaced (its event `do_connect`, which it documents for this). Does not belong
here: any address of ours.

MLflow, Feast and Dagster make engines of their own from an address that they were given once. A login is theirs to replace where a secret
holds an address of the same server and database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platform_assets.secret_sources.kept import KeptSecrets

_DATABASE = ("dbname", "database", "db")


@dataclass(frozen=True)
class DatabaseLogins:
    """Logins of the addresses among the secrets."""

    kept: KeptSecrets

    def follow(self) -> None:
        """Let every engine of this process, made already or later, log in as the secrets say; doing it again changes nothing."""
        from sqlalchemy import Engine, event

        if not event.contains(Engine, "do_connect", self.connect):
            event.listen(Engine, "do_connect", self.connect)

    def connect(self, dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        """A connection with the present login; where it is refused, once more with secrets that are read now.

        Returns:
            The driver's connection; None leaves it to SQLAlchemy, for addresses that are no secret's.
        """
        present = self._login(dialect, parameters, self.kept.values())
        if present is None:
            return None
        try:
            return dialect.connect(*arguments, **{**parameters, **present})
        except dialect.loaded_dbapi.OperationalError:
            newer = self._login(dialect, parameters, self.kept.renewed())
            if newer is None or newer == present:
                raise
            return dialect.connect(*arguments, **{**parameters, **newer})

    @staticmethod
    def _login(dialect: Any, parameters: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any] | None:
        """User and password of the one secret that is an address of the same database; the same user's, where there are several."""
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        database = next((parameters[name] for name in _DATABASE if name in parameters), None)
        found = []
        for text in secrets.values():
            if "://" not in text or "@" not in text:
                continue
            try:
                url = make_url(text)
            except (ArgumentError, ValueError):
                continue
            same = (url.host, url.port, url.database) == (parameters.get("host"), _port(parameters), database)
            if (
                same
                and url.username
                and url.drivername.partition("+")[0].removesuffix("ql") == dialect.name.removesuffix("ql")
            ):
                found.append({"user": url.username, "password": url.password})
        logins = [login for login in found if login["user"] == parameters.get("user")] or found
        return logins[0] if logins and all(login == logins[0] for login in logins) else None


def _port(parameters: Mapping[str, Any]) -> int | None:
    port = parameters.get("port")
    return None if port is None else int(port)
