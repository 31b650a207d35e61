"""Logs as JSON lines: one object for each message, for Loki, Elasticsearch and their like.

Belongs here: the format, and setting it up. Does not belong here: what is logged.

A line names where it comes from (use case, version, run, trace), and holds no value of a request: of an error it has the kind and the
places in the code, not its message, which may quote what a caller sent.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.settings import wants_json

TEXT_FORMAT = "%(asctime)s %(levelname)s %(message)s"
RELEASE_FILE = Path("release", "release.json")
DAGSTER_FIELDS = {"run": "run_id", "job": "job_name", "step": "step_key"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        """Take what every line of the process says, such as `use_case` and `version`."""
        super().__init__()
        self._fields = dict(fields or {})

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **_of_dagster(record),  # its message too, without the names that stand beside it
            **_trace(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__qualname__
            line["stack"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, default=str, ensure_ascii=False)


def log_to_standard_error(fields: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> None:
    """Have every message from `INFO` on written to standard error, in the format that was asked for.

    Args:
        fields: what every line says, where lines are JSON.
        environment: names the format.
    """
    if wants_json(environment):
        log_as_json(fields)
    else:
        logging.basicConfig(level=logging.INFO, format=TEXT_FORMAT)


def log_as_json(fields: Mapping[str, str], level: int = logging.INFO) -> None:
    """Put JSON lines on standard error in the place of whatever was set up before, in every logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(fields))
    root = logging.getLogger()
    for one in [root, *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]:
        if one.handlers and one is not root:
            one.handlers, one.propagate = [], True
    root.handlers = [handler]
    root.setLevel(level)


def fields_of_release(code_folder: Path) -> dict[str, str]:
    """What lines of a service say of its release: use case and version; nothing where there is no release to read."""
    try:
        values = json.loads((code_folder / RELEASE_FILE).read_bytes())
        return {"use_case": values["use_case"], "version": values["model_version"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # the service says itself that it cannot start


def _of_dagster(record: logging.LogRecord) -> dict[str, str]:
    """What Dagster says of the run that a message belongs to."""
    meta = getattr(record, "dagster_meta", None)
    if not isinstance(meta, Mapping):
        return {}
    found = {name: meta.get(key) for name, key in DAGSTER_FIELDS.items()}
    found["message"] = meta.get("orig_message")
    tags = meta.get("job_tags") or {}
    found["partition"] = tags.get("dagster/partition") if isinstance(tags, Mapping) else None
    job = found["job"]
    found["use_case"] = job.partition("__")[0] if isinstance(job, str) and "__" in job else None
    return {name: str(value) for name, value in found.items() if value}


def _trace() -> dict[str, str]:
    """The trace of the request under way, where one is traced."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = trace.get_current_span()
    return {"trace": trace.format_trace_id(span.get_span_context().trace_id)} if span.is_recording() else {}
