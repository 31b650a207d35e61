"""A place that cannot be used is answered with one sentence and exit code 1, before any work is done."""

import socket
from pathlib import Path

from .conftest import ROOT, command, free_port


def environment(home: Path, port: int, dagster_home: Path) -> dict[str, str]:
    return {
        "PLATFORM_ASSETS_HOME": str(home),
        "PLATFORM_ASSETS_DAGSTER": str(dagster_home),
        "PLATFORM_ASSETS_PORT": str(port),
        "DAGSTER_HOME": str(ROOT),
    }


def sentence(printed: str) -> str:
    """The error, which must be all that is said about it."""
    assert "Traceback" not in printed
    errors = [line for line in printed.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, printed
    return errors[0]


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    code, printed = command(environment(file / "home", free_port(), tmp_path / "dagster"), "run")
    assert code == 1
    assert str(file / "home") in sentence(printed)
    assert "PLATFORM_ASSETS_HOME" in sentence(printed)


def test_a_port_that_somebody_else_uses(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, printed = command(environment(tmp_path / "home", port, tmp_path / "dagster"), "run")
    assert code == 1
    assert str(port) in sentence(printed)
    assert "PLATFORM_ASSETS_PORT" in sentence(printed)
    command(environment(tmp_path / "home", port, tmp_path / "dagster"), "stop")


def test_a_setting_that_is_no_number(tmp_path: Path) -> None:
    wrong = environment(tmp_path / "home", 0, tmp_path / "dagster") | {"PLATFORM_ASSETS_PORT": "many"}
    code, printed = command(wrong, "run")
    assert code == 1
    assert "PLATFORM_ASSETS_PORT" in sentence(printed)


def test_a_use_case_that_does_not_exist(tmp_path: Path) -> None:
    code, printed = command(environment(tmp_path / "home", free_port(), tmp_path / "dagster"), "run", "card_freud")
    assert code == 2
    assert "card_freud" in sentence(printed)
    assert "card_fraud" in sentence(printed)
