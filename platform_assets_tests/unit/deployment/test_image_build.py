"""How images are built, as far as it can be seen without building one."""

import configparser
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "deploy" / "images"


@pytest.mark.parametrize("kind", ["serving", "platform"])
def test_everything_that_is_copied_is_part_of_the_build(kind: str) -> None:
    kept = [line[1:] for line in (IMAGES / "containerignore").read_text().split() if line.startswith("!")]
    text = (IMAGES / kind / "Containerfile").read_text().replace("\\\n", " ")
    copies = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY") and "--from" not in line]
    sources = [source for copied in copies for source in copied]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in kept), source


def test_a_build_is_told_what_pip_is_told(tmp_path: Path) -> None:
    index, certificate = tmp_path / "index" / "simple", tmp_path / "certificate.pem"
    index.mkdir(parents=True)
    certificate.write_text("")
    listed = [
        ":env:.timeout='9'",
        "global.timeout='60'",
        "global.cache-dir='/root/.cache/pip'",
        f"global.extra-index-url='file://{index} https://packages.example/simple'",
        f"global.cert='{certificate}'",
    ]
    command = [
        sys.executable,
        str(IMAGES / "pip_settings.py"),
        str(tmp_path / "pip.conf"),
        "--uv",
        str(tmp_path / "uv.toml"),
    ]
    done = subprocess.run(command, input="\n".join(listed), capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted([str(certificate), str(index.parent)])
    settings = configparser.ConfigParser()
    settings.read(tmp_path / "pip.conf")
    assert settings["global"]["timeout"] == "9"
    assert settings["global"]["extra-index-url"].split() == [f"file://{index}", "https://packages.example/simple"]
    assert "cache-dir" not in settings["global"]


def test_a_base_that_may_be_another_one_tomorrow_is_refused(tmp_path: Path) -> None:
    (tmp_path / "buildah").write_text("#!/bin/sh\nexit 99\n")
    (tmp_path / "buildah").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "BASE": "registry.example/python:3.11-slim",
        "OUT": str(tmp_path),
    }
    command = [str(IMAGES / "build.sh"), "serving"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "give its digest" in done.stderr
