"""Passwords are printed nowhere: not in errors, not in tracebacks, not where JSON is damaged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from platform_assets.cli import console
from platform_assets.cli.hidden_values import hidden_values
from platform_assets.settings import Settings, SettingsError

PASSWORD = "p4ssw0rd%21"
STORE = f'{{"type": "redis", "connection_string": "localhost:6379,password={PASSWORD}"}}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PLATFORM_ASSETS_FEAST_REGISTRY", f"postgresql+psycopg://feast:{PASSWORD}@db:5432/feast"),
        ("PLATFORM_ASSETS_FEAST_ONLINE_STORE", STORE),
        ("PLATFORM_ASSETS_FEAST_ONLINE_STORE", STORE[:-1]),
        ("PLATFORM_ASSETS_OBJECT_STORE", f'{{"AWS_SECRET_ACCESS_KEY": "{PASSWORD}"}}'),
        ("SHOP_DATABASE", f"mysql://shop:{PASSWORD}@10.0.0.7/shop"),
        ("KAFKA_SASL_PASSWORD", PASSWORD),
        ("PLATFORM_ASSETS_FEAST_ONLINE_STORE", f'{{"type": "postgres", "password": "{PASSWORD}", "host": "db"}}'),
    ],
)
def test_a_secret_of_the_environment_is_stars_in_every_error(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, text)
    with console.errors.capture() as captured, pytest.raises(typer.Exit), console.fail_readably():
        raise RuntimeError(f"cannot connect with {text} nor with p4ssw0rd!")
    assert "p4ssw0rd" not in captured.get()
    assert "***" in captured.get()
    try:
        raise KeyError(text)
    except KeyError as error:
        console.show_traceback(KeyError, error, error.__traceback__)
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "p4ssw0rd" not in shown


@pytest.mark.parametrize("name", ["FEAST_ONLINE_STORE", "OBJECT_STORE"])
def test_damaged_json_is_refused_without_showing_it(name: str) -> None:
    with pytest.raises(SettingsError, match="is not JSON") as refused:
        Settings.from_environment({f"PLATFORM_ASSETS_{name}": STORE[:-1]})
    assert PASSWORD not in str(refused.value)


def test_an_address_that_stands_nowhere_in_the_environment_is_hidden_too() -> None:
    text = console.without_secrets("cannot reach redis://:s3cret-word@10.0.0.1:6379/0 or postgresql://u:other-word@h/d")
    assert text == "cannot reach redis://:***@10.0.0.1:6379/0 or postgresql://u:***@h/d"


def test_what_is_no_secret_is_shown() -> None:
    environment = {
        "PLATFORM_ASSETS_PORT": "8700",
        "HOME": "/home/user",
        "PLATFORM_ASSETS_SIMULATION": '{"customers": 5}',
    }
    assert hidden_values(environment) == ()


def test_the_command_s_own_traceback_shows_no_password() -> None:
    code = (
        "import typer\nfrom platform_assets.cli.main import app\n"
        "@app.command()\ndef breaks() -> None:\n    raise KeyError('redis://:s3cret-word@h')\n"
        "import sys; sys.argv = ['platform-assets', 'breaks']\napp()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "KeyError" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_a_home_is_its_owner_s_and_one_that_was_open_is_closed(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for home in (tmp_path / "new" / "home", tmp_path / "old"):
            if home.name == "old":
                (home / "serving").mkdir(parents=True)
            Settings.from_environment({"PLATFORM_ASSETS_HOME": str(home)}).prepare()
            assert home.stat().st_mode & 0o777 == 0o700
            (home / "reports" / "page.html").write_text("")
            assert (home / "reports" / "page.html").stat().st_mode & 0o077 == 0
        shared = tmp_path / "shared"
        shared.mkdir()
        shared.chmod(0o755)
        Settings.from_environment({"PLATFORM_ASSETS_HOME": str(shared)}).prepare()
        assert shared.stat().st_mode & 0o777 == 0o755, (
            "a folder that was there before and is none of ours is left as it is"
        )
    finally:
        os.umask(before)
