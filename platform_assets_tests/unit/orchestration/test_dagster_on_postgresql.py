"""Dagster on a real PostgreSQL, with the settings that are shipped and documented."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from platform_assets.testing.servers import PostgreSQL, postgresql

FOLDER = Path(__file__).parents[3] / "deploy" / "dagster"
SHIPPED = sorted(FOLDER.rglob("dagster.yaml"))


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def table() -> None:
    return None


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


def test_the_documented_instance_runs_and_remembers(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "HOST": "127.0.0.1",
        "PORT": str(server.port),
        "USERNAME": "postgres",
        "PASSWORD": "",
        "DB": "postgres",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"DAGSTER_PG_{name}", value)
    monkeypatch.setenv("PLATFORM_ASSETS_DAGSTER", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(FOLDER / "postgresql"))
    with dg.DagsterInstance.get() as instance:
        assert dg.materialize([table], instance=instance, partition_key="2024-01-02").success
        assert instance.get_materialized_partitions(table.key) == {"2024-01-02"}
    assert server.execute("SELECT count(*) FROM runs") == [["1"]]


@pytest.mark.parametrize("path", SHIPPED, ids=[str(path.relative_to(FOLDER)) for path in SHIPPED])
def test_every_shipped_instance_on_postgresql_names_its_driver(path: Path) -> None:
    """A bare `postgresql` is psycopg 3 by the locked SQLAlchemy, and dagster-postgres speaks to psycopg2."""
    storage = yaml.safe_load(path.read_text())["storage"]["postgres"]
    assert storage["postgres_db"]["scheme"] == "postgresql+psycopg2"
