"""Settings: defaults that hang together, and errors that name the variables at fault."""

from pathlib import Path

import pytest

from platform_assets.settings import Settings, SettingsError, object_store_options


def test_everything_local_stands_below_home(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path)})
    assert settings.home == tmp_path
    for address in (settings.lake, settings.mlflow, settings.mlflow_artifacts, settings.feast_registry):
        assert str(tmp_path) in address
    assert settings.feast_online_store == {"type": "sqlite", "path": str(tmp_path / "feast" / "online.db")}
    assert settings.port == 8700
    assert settings.simulation == {}


def test_each_variable_overrides_its_field_and_an_empty_one_does_not() -> None:
    settings = Settings.from_environment(
        {
            "PLATFORM_ASSETS_LAKE": "s3://bucket/lake",
            "PLATFORM_ASSETS_PORT": "9000",
            "PLATFORM_ASSETS_SIMULATION": '{"customers": 10}',
            "PLATFORM_ASSETS_MLFLOW": "",
        }
    )
    assert (settings.lake, settings.port, settings.simulation) == ("s3://bucket/lake", 9000, {"customers": 10})
    assert settings.mlflow.startswith("sqlite:///")
    assert settings.home.is_absolute()


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PORT": "eighty"}, "PLATFORM_ASSETS_PORT: "),
        ({"PORT": "80"}, "PLATFORM_ASSETS_PORT: .*1024"),
        ({"SIMULATION": "{customers: 10}"}, "PLATFORM_ASSETS_SIMULATION is not JSON"),
        ({"SIMULATION": "[1]"}, "PLATFORM_ASSETS_SIMULATION: "),
        ({"FEAST_ONLINE_STORE": "redis"}, "PLATFORM_ASSETS_FEAST_ONLINE_STORE is not JSON: [^']*$"),
        ({"OBJECT_STORE": "[1]"}, "PLATFORM_ASSETS_OBJECT_STORE: "),
        ({"PORT": "1", "SIMULATION": "3"}, "PLATFORM_ASSETS_PORT: .*PLATFORM_ASSETS_SIMULATION: "),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.from_environment({f"PLATFORM_ASSETS_{name}": value for name, value in environment.items()})


def test_folders_are_made_and_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}).prepare()
    assert (tmp_path / "home" / "mlflow").is_dir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match=r"cannot write to .*file.*PLATFORM_ASSETS_HOME"):
        Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "file")}).prepare()


def test_keys_of_the_object_store_are_not_shown() -> None:
    variable = "PLATFORM_ASSETS_OBJECT_STORE"
    settings = Settings.from_environment({variable: '{"AWS_SECRET_ACCESS_KEY": "hidden"}'})
    assert settings.object_store == {"AWS_SECRET_ACCESS_KEY": "hidden"}
    assert object_store_options({variable: '{"AWS_REGION": "x"}'}) == {"AWS_REGION": "x"}
    assert "hidden" not in repr(settings)
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_OBJECT_STORE is not JSON") as caught:
        Settings.from_environment({variable: '{"AWS_SECRET_ACCESS_KEY": hidden}'})
    assert "hidden" not in str(caught.value)
