"""A PostgreSQL database comes back from its dump, in an empty database alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.recovery.databases import dump_postgresql, load_postgresql, postgresql_tables
from platform_assets.recovery.errors import RecoveryError, RestoreRefused
from platform_assets.testing.servers import PostgreSQL, postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


def test_a_database_comes_back(server: PostgreSQL, tmp_path: Path) -> None:
    server.execute("CREATE TABLE models (name text, version int); INSERT INTO models VALUES ('fraud', 3)")
    server.create("again")
    again = server.url.removesuffix("postgres") + "again"
    dump = tmp_path / "mlflow"
    dump_postgresql("mlflow", server.url.replace("postgresql://", "postgresql+psycopg://"), dump)
    load_postgresql("mlflow", again, dump)
    assert postgresql_tables(again) == 1
    with pytest.raises(RestoreRefused, match="the mlflow database has 1 tables"):
        load_postgresql("mlflow", again, dump)
    with pytest.raises(RecoveryError, match="pg_dump of the mlflow database failed"):
        dump_postgresql("mlflow", server.url.removesuffix("postgres") + "nowhere", dump)
