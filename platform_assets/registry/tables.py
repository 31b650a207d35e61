"""MLflow's registry through its own database tables, where seconds count: importing MLflow costs four of them, a rollback has five.

Belongs here: the few questions and the one write of a rollback, in SQL, as MLflow itself asks and writes them. Does not belong here:
anything that is not in a hurry (`models.py`, through `MlflowClient`).

MLflow's tables are its own affair and change with its releases, so they are used only in a revision that was looked at (`KNOWN`). At any
other, at a tracking server, and whenever the database does not answer, `MlflowClient` is asked, as everywhere else: slower, never wrong.
A test holds both ways to the same answers, and fails when the installed MLflow brings a revision that is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from platform_assets.registry.base import ModelRegistry, RegisteredVersion, alias_in, unreachable
from platform_assets.registry.errors import RegistryUnreachable

if TYPE_CHECKING:
    import sqlalchemy as sa

KNOWN = frozenset({"dc11669786a5"})
"""Revisions of MLflow's tables (`alembic_version`) that were looked at: that of MLflow 3.17."""
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""Schemes of addresses behind which MLflow keeps tables."""
WORKSPACE = "default"
"""MLflow's workspace where none is asked for."""
DELETED = "Deleted_Internal"
"""Stage in which MLflow keeps a deleted version."""


@dataclass(frozen=True)
class TableRegistry(ModelRegistry):
    """A registry that answers a rollback's questions without importing MLflow, where it can."""

    def get(self, use_case: str, version: str) -> RegisteredVersion:
        """The version of that number.

        Raises:
            RegistryError: when there is none.
        """
        found = self._version(use_case, version) if self._engine is not None and version.isdecimal() else None
        return found or super().get(use_case, version)

    def by_alias(self, use_case: str, alias: str) -> RegisteredVersion | None:
        """The version that an alias points at, or None; `champion` and `challenger` are those of this environment."""
        if self._engine is None:
            return super().by_alias(use_case, alias)
        import sqlalchemy as sa

        aliases = _table("registered_model_aliases", "workspace", "name", "alias", "version")
        wanted = _named(aliases, use_case) & (aliases.c.alias == alias_in(self.environment, alias))
        with self._connected() as connection:
            number = connection.execute(sa.select(aliases.c.version).where(wanted)).scalar()
        return None if number is None else self._version(use_case, str(number))

    def set_alias(self, use_case: str, alias: str, version: str) -> None:
        """Point an alias at a version; `champion` and `challenger` are those of this environment."""
        if self._engine is None or self._version(use_case, version) is None:
            super().set_alias(use_case, alias, version)
            return
        import sqlalchemy as sa

        aliases = _table("registered_model_aliases", "workspace", "name", "alias", "version")
        named = alias_in(self.environment, alias)
        wanted = _named(aliases, use_case) & (aliases.c.alias == named)
        row = {"workspace": WORKSPACE, "name": use_case, "alias": named, "version": int(version)}
        with self._connected() as connection, connection.begin():
            moved = connection.execute(sa.update(aliases).where(wanted).values(version=int(version)))
            if moved.rowcount == 0:
                connection.execute(sa.insert(aliases).values(row))

    def run_folder(self, version: RegisteredVersion) -> Path:
        """Local folder with all artifacts of the run that made the version (downloaded when they are remote)."""
        folder = self._local_artifacts(version.run_id) if self._engine is not None else None
        return folder if folder is not None and folder.is_dir() else super().run_folder(version)

    @cached_property
    def _engine(self) -> sa.Engine | None:
        """The database, when it has tables of a known revision."""
        if urlparse(self.tracking_uri).scheme.partition("+")[0] not in DATABASES:
            return None
        import sqlalchemy as sa

        revisions = _table("alembic_version", "version_num")
        try:
            engine = sa.create_engine(self.tracking_uri, poolclass=sa.NullPool)
            with engine.connect() as connection:
                found = set(connection.execute(sa.select(revisions.c.version_num)).scalars())
        except (sa.exc.SQLAlchemyError, ImportError, OSError):  # MlflowClient says what is wrong, as ever
            return None
        return engine if len(found) == 1 and found <= KNOWN else None

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """A connection to the database.

        Raises:
            RegistryUnreachable: it did not answer, or broke off.
        """
        import sqlalchemy as sa

        assert self._engine is not None
        try:
            with self._engine.connect() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise RegistryUnreachable(unreachable(self.tracking_uri, error)) from error

    def _version(self, use_case: str, number: str) -> RegisteredVersion | None:
        import sqlalchemy as sa

        versions = _table("model_versions", "workspace", "name", "version", "run_id", "current_stage")
        tags = _table("model_version_tags", "workspace", "name", "version", "key", "value")
        with self._connected() as connection:
            wanted = _named(versions, use_case) & (versions.c.version == int(number))
            row = connection.execute(sa.select(versions.c.run_id, versions.c.current_stage).where(wanted)).one_or_none()
            if row is None or row.current_stage == DELETED:
                return None
            wanted = _named(tags, use_case) & (tags.c.version == int(number))
            found = connection.execute(sa.select(tags.c.key, tags.c.value).where(wanted)).all()
        return RegisteredVersion(use_case, str(int(number)), row.run_id, {tag.key: tag.value for tag in found})

    def _local_artifacts(self, run_id: str) -> Path | None:
        """The artifact folder of a run when it is on this machine."""
        import sqlalchemy as sa

        runs = _table("runs", "run_uuid", "artifact_uri")
        with self._connected() as connection:
            uri = connection.execute(sa.select(runs.c.artifact_uri).where(runs.c.run_uuid == run_id)).scalar() or ""
        parsed = urlparse(uri)
        if parsed.scheme == "":
            return Path(uri) if uri.startswith("/") else None
        return Path(unquote(parsed.path)) if parsed.scheme == "file" and parsed.netloc in ("", "localhost") else None


def _table(name: str, *columns: str) -> sa.TableClause:
    import sqlalchemy as sa

    return sa.table(name, *(sa.column(column) for column in columns))


def _named(table: sa.TableClause, use_case: str) -> Any:
    return (table.c.workspace == WORKSPACE) & (table.c.name == use_case)
