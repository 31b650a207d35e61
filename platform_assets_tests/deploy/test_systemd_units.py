"""The units of one machine: systemd reads them, and what they start and set is there.

Belongs here: `deploy/systemd/`. Does not belong here: what the programs do.
"""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from platform_assets.orchestration.run_origin import LOCATION, MODULE
from platform_assets.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
INSTALLED = "/opt/platform-assets"


class Unit(ConfigParser):
    """A unit file, whose keys have capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def read(path: Path) -> Unit:
    unit = Unit(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    unit.read_string(path.read_text())
    return unit


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_programs_that_the_environment_has(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = read(path)["Service"]
    for key in ("ExecStart", "ExecStop"):
        if key in service:
            program = Path(service[key].split()[0]).relative_to(f"{INSTALLED}/.venv/bin")
            assert shutil.which(str(program), path=str(Path(sys.executable).parent)) is not None
    assert service["EnvironmentFile"] == "/etc/platform-assets/environment"
    assert service["User"] == "platform"
    assert service.get("Restart") == "always" or service["Type"] == "oneshot"


def test_daemon_and_web_ui_ask_the_code_server_of_its_unit() -> None:
    code = read(FOLDER / "platform-assets-code.service")["Service"]["ExecStart"].split()
    [location] = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"]
    assert location["grpc_server"]["socket"] == code[code.index("-s") + 1]
    assert location["grpc_server"]["location_name"] == code[code.index("--location-name") + 1] == LOCATION
    assert code[code.index("-m") + 1] == MODULE
    for unit in ("daemon", "webserver"):
        command = read(FOLDER / f"platform-assets-{unit}.service")["Service"]["ExecStart"].split()
        assert ROOT / Path(command[command.index("-w") + 1]).relative_to(INSTALLED) == FOLDER / "workspace.yaml"


def test_a_stop_of_the_daemon_ends_no_run() -> None:
    service = read(FOLDER / "platform-assets-daemon.service")["Service"]
    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"


def test_the_environment_is_one_that_the_settings_take() -> None:
    lines = (FOLDER / "environment.example").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    settings = Settings.from_environment(variables)
    assert settings.home == Path("/var/lib/platform-assets")
    assert Path(variables["DAGSTER_HOME"], "dagster.yaml").name in os.listdir(ROOT)


def test_systemd_takes_them(tmp_path: Path) -> None:
    """`systemd-analyze verify` wants what is started to be there: the programs of this environment stand in for the installed ones."""
    if shutil.which("systemd-analyze") is None:
        assert "CI" not in os.environ, "systemd-analyze is not installed: apt-get install systemd"
        pytest.skip("systemd-analyze is not installed")
    programs = tmp_path / "opt" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("platform-assets", "dagster", "dagster-daemon", "dagster-webserver"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    for path in UNITS:
        (tmp_path / path.name).write_text(path.read_text().replace(INSTALLED, str(tmp_path / "opt")))
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "platform-assets" in line]
    assert (done.returncode, said) == (0, [])


def test_systemd_would_refuse_a_slip(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed; the test before says so loudly in CI")
    wrong = tmp_path / "wrong.service"
    wrong.write_text("[Service]\nExecStart=/nowhere/at-all\nKillMod=process\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(wrong)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "KillMod" in done.stderr
