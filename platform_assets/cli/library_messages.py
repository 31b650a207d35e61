"""Messages and warnings of libraries: in a file of the home, or on the screen with `--verbose`; our own are always shown.

Belongs here: where what libraries log goes. Does not belong here: what a command prints (`console.py`), or Dagster's log of a run.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE = Path("logs") / "commands.log"
OWN = ("platform_assets", "serving")
_MLFLOW_LOGS_FOR_ITSELF = "MLFLOW_CONFIGURE_LOGGING"
"""Else it prints what it does on the screen, past all handlers."""
_LARGEST_BYTES = 2_000_000
_FORM = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class _OwnAlone(logging.Filter):
    """Lets messages of our own packages pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name.partition(".")[0] in OWN


@contextmanager
def messages_of_libraries(home: Path, *, verbose: bool) -> Iterator[None]:
    """Send what libraries log to `HOME/logs/commands.log`, or to the screen as well.

    Nothing is written where the home is not there.

    Args:
        home: the installation's home.
        verbose: show everything.
    """
    os.environ.setdefault(_MLFLOW_LOGS_FOR_ITSELF, "false")
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    added = [_screen(verbose), *_file(home)]
    for handler in added:
        root.addHandler(handler)
    root.setLevel(min(level or logging.INFO, logging.INFO))
    logging.captureWarnings(True)
    with warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("default")  # once for each place, to the file
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.setLevel(level)
            for handler in added:
                root.removeHandler(handler)
                handler.close()
            root.handlers[:] = [handler for handler in root.handlers if handler in before] or before


def _screen(verbose: bool) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s" if verbose else "note: %(message)s"))
    if not verbose:
        handler.setLevel(logging.WARNING)
        handler.addFilter(_OwnAlone())
    return handler


def _file(home: Path) -> Iterator[logging.Handler]:
    if not home.is_dir():
        return
    try:
        (home / FILE).parent.mkdir(exist_ok=True)
        handler = RotatingFileHandler(home / FILE, maxBytes=_LARGEST_BYTES, backupCount=2, delay=True, encoding="utf-8")
    except OSError:
        return  # a home that may only be read
    handler.setFormatter(logging.Formatter(_FORM))
    yield handler
