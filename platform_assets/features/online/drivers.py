"""The database driver that an installation's settings need, by name.

Belongs here: from an address to the driver that opens it, without opening anything. Does not belong here: connections
(`online/feast_connection.py`), which distribution brings a driver along (`deployment/packaging/sources.py`).

A service starts with what its release requires and nothing else, so that a driver which only the settings name has to be known when the
release is packed, and missed by its self-test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_assets.features.errors import DriverMissing


def registry_driver(address: str) -> str:
    """Top-level module of the database driver of Feast's registry, for example `psycopg` or `sqlite3`; it need not be installed.

    Args:
        address: the registry's SQLAlchemy address.

    Raises:
        DriverMissing: SQLAlchemy knows no such kind of database.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        dialect = make_url(address).get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise DriverMissing(f"the address of Feast's registry names no database that can be opened: {error}") from error
    try:
        module = dialect.import_dbapi()
    except ModuleNotFoundError as error:
        return str(error.name).partition(".")[0]
    return str(module.__name__).partition(".")[0]


def require_driver(feast: Mapping[str, Any]) -> None:
    """Load the driver of Feast's registry.

    Args:
        feast: fields of `FeastSettings`; without a registry nothing is needed.

    Raises:
        DriverMissing: it is not among the libraries of this process.
    """
    from sqlalchemy.engine import make_url

    address = feast.get("registry")
    if not address:
        return
    driver = registry_driver(address)
    try:
        make_url(address).get_dialect().import_dbapi()
    except ImportError as error:
        raise DriverMissing(
            f"Feast's registry ({make_url(address).drivername}) needs the driver {driver!r}, which this process cannot load ({error}). A "
            "release carries the driver of the settings it was built with: materialize serving/service again under the present settings"
        ) from error
