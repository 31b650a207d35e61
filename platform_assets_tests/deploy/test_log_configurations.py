"""The configurations that hand logs on: their paths and names are those of what is written. Neither program is run here."""

import io
import json
import logging
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.deployment.local.attendants import guardian_program
from platform_assets.deployment.local.opened import SERVING_FOLDER
from serving.json_logs import JsonLines

LOGS = Path(__file__).parents[2] / "deploy" / "observability" / "logs"
ONLY_SOMETIMES = {"trace"}
"""In lines of traced requests alone."""


def read(name: str) -> dict[str, Any]:
    values = yaml.safe_load((LOGS / f"{name}.yaml").read_text())
    assert isinstance(values, dict)
    return values


@pytest.fixture
def line() -> str:
    """A line with every field that there can be but a trace."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines({"use_case": "parking", "version": "3"}))
    logger = logging.Logger("serving")
    logger.addHandler(handler)
    try:
        raise ValueError("a value")
    except ValueError:
        logger.exception("not scored")
    return written.getvalue()


def paths(config: dict[str, Any]) -> list[str]:
    inputs = config.get("filebeat.inputs") or [
        {"paths": one["include"]} for name, one in config["receivers"].items() if name.startswith("filelog/")
    ]
    return [path for one in inputs for path in one["paths"]]


@pytest.mark.parametrize("name", ["loki", "filebeat"])
def test_the_files_that_are_read_are_those_that_are_written(name: str, tmp_path: Path) -> None:
    services, runs = (re.sub(r"\$\{(env:)?(\w+)\}", r"\2", path) for path in paths(read(name)))
    (tmp_path / "launch").mkdir()
    program = guardian_program(tmp_path, 8700, "PLATFORM_ASSETS_PORT")
    log = re.search(rf"{re.escape(str(tmp_path))}(/\S+\.log)", program)
    assert log is not None
    assert fnmatch(f"PLATFORM_ASSETS_HOME/{SERVING_FOLDER}{log[1]}", services)
    assert fnmatch("PLATFORM_ASSETS_DAGSTER/7cf335d2-1544/compute_logs/abcdefgh.err", runs)


def test_the_collector_reads_fields_that_a_line_has(line: str) -> None:
    config = read("loki")
    fields = json.loads(line).keys() | ONLY_SOMETIMES
    for pipeline in config["service"]["pipelines"].values():
        for role in ("receivers", "processors", "exporters"):
            assert set(pipeline[role]) <= set(config[role])
    for receiver in config["receivers"].values():
        asked = set(re.findall(r"attributes\.(\w+)", json.dumps(receiver)))
        assert asked <= fields
        (kept,) = [one["expr"] for one in receiver["operators"] if one["type"] == "filter"]
        pattern = re.search(r'matches "(.+)"', kept)
        assert pattern is not None
        assert re.match(pattern[1], line)
        assert not re.match(pattern[1], "2026-01-31 10:20:30 INFO text")


def test_filebeat_reads_fields_that_a_line_has(line: str) -> None:
    config = read("filebeat")
    fields = json.loads(line).keys() | ONLY_SOMETIMES
    asked = set(re.findall(r"platform_assets\.(\w+)", json.dumps(config["processors"])))
    assert asked <= fields
    for one in config["filebeat.inputs"]:
        assert re.match(one["include_lines"][0], line)
        assert one["parsers"] == [{"ndjson": {"target": "platform_assets", "add_error_key": True}}]


@pytest.mark.parametrize("name", ["loki", "filebeat"])
def test_times_are_written_as_the_layouts_say(name: str, line: str) -> None:
    layouts = re.findall(r'layouts?"?: (?:\[)?"(2006[^"]+)"', json.dumps(read(name)))
    written = json.loads(line)["time"]
    shape = re.sub(r"[1-9]", "0", written)
    for layout in layouts:
        assert re.sub(r"[1-9]", "0", layout).replace("Z00:00", "+00:00") == shape
    assert layouts
