"""Settings survive the way through the environment; hidden libraries are as good as not installed."""

import importlib
import sys
from pathlib import Path

import pytest

from serving.settings import ServingSettings, ServingSettingsError
from serving.slim_start import OnlyRequired, hide_all_but

FEAST = {"project": "parking", "online_store": {"type": "sqlite"}}


def test_settings_read_back_from_the_environment_they_make() -> None:
    settings = ServingSettings(feast=FEAST, log_folder=Path("/log"), queue_capacity=5, release_digest="sha256:1")
    assert ServingSettings.from_environment(settings.to_environment() | {"HOME": "/"}) == settings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"FEAST": "{"}, "FEAST"),
        ({"FEAST": ""}, "FEAST"),
        ({"LOG_FOLDER": ""}, "LOG_FOLDER"),
        ({"QUEUE_CAPACITY": "many"}, "QUEUE_CAPACITY"),
        ({"ONLINE_FEATURES": "rm -rf"}, "ONLINE_FEATURES"),
    ],
)
def test_an_unusable_setting_is_named(changes: dict[str, str], named: str) -> None:
    environment = ServingSettings(feast=FEAST, log_folder=Path("/log")).to_environment()
    with pytest.raises(ServingSettingsError, match=f"PLATFORM_ASSETS_SERVING_{named}"):
        ServingSettings.from_environment(environment | {f"PLATFORM_ASSETS_SERVING_{k}": v for k, v in changes.items()})


def test_what_is_not_required_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    (tmp_path / "requirements.txt").write_text("pyyaml==6.0\nnumpy==2.4\n")
    hidden = hide_all_but(tmp_path / "requirements.txt")
    assert {"torch", "pytest"} <= hidden
    assert not {"yaml", "numpy", "serving", "platform_assets"} & hidden
    assert isinstance(sys.meta_path[0], OnlyRequired)
    monkeypatch.delitem(sys.modules, "tabulate", raising=False)
    with pytest.raises(ModuleNotFoundError, match="not among the release's requirements"):
        importlib.import_module("tabulate")
