"""What runs log, as JSON lines beside Dagster's own text.

Belongs here: the handler that dagster.yaml names. Does not belong here: the format (`serving/json_logs.py`), or Dagster's event log, which
has every message all the same.

A handler, because a logger among the definitions is used only by runs whose configuration names it, which no run that Dagster's automation
asks for does.
"""

import logging
import sys

from serving.json_logs import JsonLines


class JsonLinesHandler(logging.StreamHandler):  # type: ignore[type-arg] # dictConfig calls it as it is
    """Writes JSON lines to standard error, each with run, job, step, partition and use case.

    In dagster.yaml: `python_logs: {dagster_handler_config: {handlers: {json: {class: ...JsonLinesHandler, level: INFO}}}}`.
    """

    def __init__(self) -> None:
        """Take standard error as it is now: Dagster makes a handler for each run."""
        super().__init__(sys.stderr)
        self.setFormatter(JsonLines())
