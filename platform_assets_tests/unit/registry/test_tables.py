"""MLflow's own tables give the answers that MLflow gives, without MLflow; where they are not known, MLflow is asked."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from platform_assets.registry.base import CHALLENGER, CHAMPION, ModelRegistry, RegisteredVersion

from platform_assets.registry.errors import RegistryError, RegistryUnreachable
from platform_assets.registry.tables import KNOWN, TableRegistry

Register = Callable[[str], RegisteredVersion]


@pytest.fixture
def quick(registry: ModelRegistry) -> TableRegistry:
    return TableRegistry(registry.tracking_uri, "staging")


def test_the_installed_mlflow_makes_tables_that_were_looked_at(registry: ModelRegistry) -> None:
    """After an upgrade of MLflow: compare its registry's tables with `registry/tables.py`, then add the revision to KNOWN."""
    registry.versions("any")  # the tables are made on first use
    with sa.create_engine(registry.tracking_uri).connect() as connection:
        assert set(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()) <= KNOWN


def test_both_ways_give_the_same_answers(
    registry: ModelRegistry, quick: TableRegistry, register: Register, use_case: str, tmp_path: Path
) -> None:
    first, second = register("2024-01-01"), register("2024-01-08")
    registry.set_tags(first, {"release_digest": "sha256:1", "as_of": "2024-01-02"})
    slow = registry.of("staging")
    slow.set_alias(use_case, CHAMPION, "1")
    assert quick._engine is not None
    for number in ("1", "2"):
        assert quick.get(use_case, number) == slow.get(use_case, number)
    assert quick.by_alias(use_case, CHAMPION) == slow.by_alias(use_case, CHAMPION) == slow.get(use_case, "1")
    assert quick.by_alias(use_case, CHALLENGER) is None
    assert quick.of("production").by_alias(use_case, CHALLENGER) == second
    (tmp_path / "note.txt").write_text("kept")
    registry.client.log_artifact(first.run_id, str(tmp_path / "note.txt"))
    assert quick.run_folder(first).samefile(slow.run_folder(first))


def test_an_alias_that_is_set_there_is_seen_by_mlflow(
    registry: ModelRegistry, quick: TableRegistry, register: Register, use_case: str
) -> None:
    register("2024-01-01")
    register("2024-01-08")
    for number in ("1", "2", "1"):
        quick.set_alias(use_case, CHAMPION, number)
        found = registry.of("staging").by_alias(use_case, CHAMPION)
        assert found is not None
        assert found.version == number
    assert registry.by_alias(use_case, CHAMPION) is None


def test_a_version_that_is_missing_or_deleted_is_refused_in_mlflow_s_words(
    registry: ModelRegistry, quick: TableRegistry, register: Register, use_case: str
) -> None:
    register("2024-01-01")
    registry.client.delete_model_version(use_case, "1")
    for number in ("1", "99", "not a number"):
        with pytest.raises(RegistryError, match=f"{use_case}.* has no version '{number}'.*train a model"):
            quick.get(use_case, number)
    with pytest.raises(Exception, match="not found"):
        quick.set_alias(use_case, CHAMPION, "1")
    assert quick.by_alias("no_such_use_case", CHAMPION) is None


def test_tables_of_an_unknown_revision_are_left_alone(
    registry: ModelRegistry, register: Register, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register("2024-01-01")
    monkeypatch.setattr("platform_assets.registry.tables.KNOWN", frozenset({"another"}))
    quick = TableRegistry(registry.tracking_uri)
    assert quick._engine is None
    assert quick.get(use_case, "1") == version
    quick.set_alias(use_case, CHAMPION, "1")
    assert registry.by_alias(use_case, CHAMPION) == version == quick.by_alias(use_case, CHAMPION)


@pytest.mark.parametrize("address", ["sqlite:////no/such/folder/mlflow.db", "http://127.0.0.1:1", "file:///no/such"])
def test_where_there_are_no_tables_mlflow_is_asked(address: str) -> None:
    """What is wrong with an address is said by the slow way; here it must only not fail on its own."""
    assert TableRegistry(address)._engine is None


def test_a_locked_database_is_an_unreachable_registry(
    registry: ModelRegistry, register: Register, use_case: str
) -> None:
    register("2024-01-01")
    quick = TableRegistry(f"{registry.tracking_uri}?timeout=0.1")
    assert quick._engine is not None
    holder = sa.create_engine(registry.tracking_uri)
    with holder.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryUnreachable, match=r"did not answer.*locked.*No alias was moved"):
            quick.set_alias(use_case, CHAMPION, "1")
        connection.rollback()
    assert registry.by_alias(use_case, CHAMPION) is None


def test_mlflow_is_not_imported(registry: ModelRegistry, register: Register, use_case: str) -> None:
    register("2024-01-01")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from platform_assets.registry.tables import TableRegistry\n"
            f"quick = TableRegistry({registry.tracking_uri!r}); quick.set_alias({use_case!r}, 'champion', '1')\n"
            f"assert quick.by_alias({use_case!r}, 'champion') == quick.get({use_case!r}, '1')\n"
            "print([name for name in ('mlflow', 'pandas', 'scipy', 'sklearn') if name in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    found = registry.by_alias(use_case, CHAMPION)
    assert found is not None
    assert found.version == "1"
