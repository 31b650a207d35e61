"""Logs as JSON lines: what a line says, that each process writes them when asked, and that none holds a value of a request."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from platform_assets.features.errors import FunctionFailed
from platform_assets.testing.otlp_receiver import OtlpReceiver
from platform_assets_tests.serving.parking import EVENT
from platform_assets_tests.unit.serving.test_app import SCORE, Served
from platform_assets_tests.unit.serving.test_tracing import TRACE, Traced
from serving.app import make_app
from serving.json_logs import JsonLines, fields_of_release
from serving.online import StoreUnavailable
from serving.settings import LOG_FORMATS, wants_json

SECRET = "somebody-s-own-424242"


@pytest.fixture
def lines() -> Any:
    """Every message of the test, as the lines that a service would write."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines({"use_case": "parking", "version": "3"}))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_line_says_when_where_and_what(lines: Any) -> None:
    logging.getLogger("serving.app").warning("%d went\nwrong", 2)
    (line,) = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "serving.app",
        "message": "2 went\nwrong",
        "use_case": "parking",
        "version": "3",
    }


def test_of_an_error_the_kind_and_the_place_are_told_and_no_message(lines: Any) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("serving.app").exception("the event was not scored")
    (line,) = lines()
    assert line["error"] == "ValueError"
    assert "test_json_logs.py" in line["stack"][0]
    assert SECRET not in json.dumps(line)


def test_a_line_of_a_traced_request_names_its_trace(lines: Any, tmp_path: Path) -> None:
    with OtlpReceiver() as receiver:
        served = Traced(tmp_path, receiver.endpoint)
        tracing = served.runtime.tracing
        assert tracing is not None
        with tracing.request("POST", SCORE, {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}):
            logging.getLogger("serving.app").info("inside")
        logging.getLogger("serving.app").info("outside")
        served.runtime.close()
    assert [line.get("trace") for line in lines() if line["message"] in ("inside", "outside")] == [TRACE, None]


def test_a_message_of_dagster_names_its_run(lines: Any) -> None:
    meta = {
        "run_id": "r1",
        "job_name": "parking__daily",
        "step_key": "s",
        "job_tags": {"dagster/partition": "2024-01-02"},
    }
    logging.getLogger("dagster").info("stored", extra={"dagster_meta": meta})
    (line,) = lines()
    named = {name: line[name] for name in ("run", "job", "step", "partition", "use_case")}
    assert named == {
        "run": "r1",
        "job": "parking__daily",
        "step": "s",
        "partition": "2024-01-02",
        "use_case": "parking",
    }


@pytest.mark.parametrize("fault", ["none", "refused", "unknown", "store", "function", "unexpected", "late"])
def test_no_log_of_the_service_holds_a_value_of_a_request(
    fault: str, tmp_path: Path, lines: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path, unknown="refuse" if fault == "unknown" else "decide")
    event = EVENT | {"arrival": SECRET, "lot": 424242}
    if fault == "refused":
        event |= {"speed": -424242.5}
    if fault == "late":
        event |= {"arrived_at": "2124-04-24T24:24:00Z"}
    failures: dict[str, Exception] = {
        "store": StoreUnavailable("no answer"),
        "function": FunctionFailed("speed_of failed"),
        "unexpected": KeyError(SECRET),
    }
    if fault in failures:

        def fail(*_: object) -> None:
            raise failures[fault]

        monkeypatch.setattr(served.store, "vector", fail)
    served.app = make_app(served.runtime.release.use_case)
    served.client.post(SCORE, json=event)
    served.runtime.close()
    said = caplog.text if fault != "unexpected" else ""  # a text log shows the trace of an error that nobody foresaw
    assert not [value for value in (SECRET, "424242") if value in said + json.dumps(lines())]


@pytest.mark.parametrize(
    ("values", "expected"), [(("", ""), False), (("", "json"), True), (("text", "json"), False), (("json", ""), True)]
)
def test_a_services_own_setting_goes_before_the_installations(values: tuple[str, str], expected: bool) -> None:
    assert wants_json(dict(zip(LOG_FORMATS, values, strict=True))) is expected


def test_what_a_process_says_of_its_release_is_read_from_it(tmp_path: Path) -> None:
    assert fields_of_release(tmp_path) == {}
    Served(tmp_path)
    assert fields_of_release(tmp_path) == {"use_case": "parking", "version": "3"}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_program_writes_the_format_that_it_was_asked_for(log_format: str) -> None:
    code = (
        "import logging; logging.getLogger('uvicorn.error').addHandler(logging.StreamHandler())\n"
        "from serving.json_logs import log_to_standard_error\n"
        "log_to_standard_error({'program': 'doors'}); logging.getLogger('doors').info('listening')\n"
        "logging.getLogger('uvicorn.error').warning('careful')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path), LOG_FORMATS[1]: log_format},
        capture_output=True,
        text=True,
        check=True,
    )
    if log_format == "text":
        assert "INFO listening" in done.stderr
    else:
        said = [json.loads(line) for line in done.stderr.splitlines()]
        assert [(line["message"], line["program"]) for line in said] == [("listening", "doors"), ("careful", "doors")]
