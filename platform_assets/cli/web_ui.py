"""Dagster's web UI: whether one runs for this home, and how to start it.

Belongs here: asking on this machine. Does not belong here: starting it (`dg dev`).
"""

from __future__ import annotations

from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

ADDRESS = "http://127.0.0.1:3000"
"""Where `dg dev` and `make dev` listen unless told otherwise."""
HOW_TO_START = "`make dev`, or `dg dev`, starts it, with the daemon that starts what is due"
_SECONDS = 1.0


def answers(address: str = ADDRESS) -> bool:
    """Whether a web UI of Dagster answers at an address."""
    try:
        with build_opener(ProxyHandler({})).open(f"{address}/server_info", timeout=_SECONDS) as answer:
            return b"dagster_webserver_version" in answer.read(10_000)
    except (URLError, OSError):
        return False


def web_ui_line(*, alive: bool, address: str = ADDRESS) -> str:
    """The UI's line on a screen.

    Args:
        alive: whether a daemon of this home gave a sign of life: `dg dev` starts both.
        address: where the UI would be.
    """
    if alive:
        return (
            address if answers(address) else f"the daemon runs, and nothing answers at {address}: it listens elsewhere"
        )
    other = f"; what answers at {address} shows another home" if answers(address) else ""
    return f"not running; {HOW_TO_START}{other}"
