"""A release carries the database driver that the installation's settings need, and says so when it lacks it."""

from pathlib import Path

import pytest

from platform_assets.deployment.packaging.build import ROOT, BuiltBento
from platform_assets.deployment.packaging.sources import requirements
from platform_assets.features.errors import DriverMissing
from platform_assets.features.online.drivers import registry_driver, require_driver
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets_tests.serving.parking import use_case
from serving.online import open_online_features, without_store

LOCK = ROOT / "requirements.lock"
ON_A_STRANGER = "mysql+pymysql://feast:hidden@db/feast"


@pytest.mark.parametrize(
    ("address", "driver"),
    [
        ("sqlite:////home/registry.db", "sqlite3"),
        ("postgresql://feast:hidden@db/feast", "psycopg"),
        ("postgresql+psycopg2://db/feast", "psycopg2"),
        (ON_A_STRANGER, "pymysql"),
    ],
)
def test_the_address_names_the_driver_whether_or_not_it_is_installed(address: str, driver: str) -> None:
    assert registry_driver(address) == driver
    assert FeatureStore(address, {"type": "sqlite"}, "home").drivers() == (driver,)


@pytest.mark.parametrize("address", ["nosuch://db/feast", "no address"])
def test_an_address_that_names_no_database_is_refused(address: str) -> None:
    with pytest.raises(DriverMissing, match="names no database that can be opened"):
        registry_driver(address)


def test_a_driver_comes_with_the_part_that_does_its_work() -> None:
    """psycopg alone needs PostgreSQL's own library, which an image need not have."""
    plain, more = (set(requirements(["numpy"], [], LOCK, drivers)) for drivers in ((), ("psycopg",)))
    assert {line.partition("==")[0] for line in more - plain} == {"psycopg", "psycopg-binary"}
    assert set(requirements(["numpy"], [], LOCK, ("sqlite3",))) == plain


def test_a_bento_tells_which_driver_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    bento = BuiltBento("parking:1", tmp_path, "sha256:1", 1)
    lines = requirements(["numpy"], [], LOCK)
    (tmp_path / "src" / "requirements.txt").write_text("\n".join(lines))
    assert bento.lacks(("sqlite3",)) == []
    assert bento.lacks(("psycopg",)) == ["psycopg"]
    (tmp_path / "src" / "requirements.txt").write_text("\n".join(requirements(["numpy"], [], LOCK, ("psycopg",))))
    assert bento.lacks(("psycopg",)) == []


def test_the_self_test_and_the_service_miss_a_driver_and_show_no_password() -> None:
    feast = {"registry": ON_A_STRANGER, "project": "parking", "online_store": {"type": "sqlite"}, "home": "."}
    for opens in (without_store, open_online_features):
        with pytest.raises(DriverMissing, match=r"mysql\+pymysql.*'pymysql'.*serving/service") as caught:
            opens(use_case(), feast)
        assert "hidden" not in str(caught.value)
    require_driver({"registry": "sqlite://"})
    require_driver({})
