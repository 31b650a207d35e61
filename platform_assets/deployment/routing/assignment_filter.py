"""The proxy's share in an A/B test: which version a request's entity gets, in Lua that Envoy runs for the routes of one use case.

Belongs here: the program's text and where it stands in Envoy's configuration. Does not belong here: the function itself as the platform
knows it (`experiments/assignment.py`), or which arm a variant is (`envoy_config/routes.py`).

The filter stands in the chain without a program, at no cost, and each route of a use case that is split carries its own: a split begins,
changes and ends with the routes, without a change of the listener and its connections.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platform_assets.declaration.names import EXPERIMENT_HEADER, VARIANT_HEADER

FILTER_NAME = "platform_assets.assignment"
"""Of its own: other filters of the chain are Lua too, and a route's program goes to the filter of its name."""
_PROGRAM = Path(__file__).with_suffix(".lua")
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def lua_source(*, use_case: str, experiment: str, column: str, traffic: int, treatment: int, score_path: str) -> str:
    """The program for one split.

    Args:
        use_case: whose traffic.
        experiment: its name; use case and name salt the hashes.
        column: request column whose values are assigned as a whole.
        traffic: buckets of 10,000 that take part.
        treatment: buckets of 10,000 among those that get the new version.
        score_path: of the requests whose body is one event; all others go to control.
    """
    values: dict[str, str | int] = {
        "SALT": f"{use_case}/{experiment}",
        "COLUMN": column,
        "TRAFFIC": traffic,
        "TREATMENT": treatment,
        "SCORE_PATH": score_path,
        "VARIANT_HEADER": VARIANT_HEADER,
        "EXPERIMENT_HEADER": EXPERIMENT_HEADER,
        "EXPERIMENT": f"{experiment};{column};{traffic};{treatment}",
    }
    lines = [f"local {name} = {_literal(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n" + _PROGRAM.read_text(encoding="utf-8")


def chain_filter() -> dict[str, Any]:
    """The filter as it stands in the chain, before the router: without a program."""
    return {"name": FILTER_NAME, "typed_config": {"@type": _LUA}}


def route_filter(source: str) -> dict[str, Any]:
    """What a route carries as `typed_per_filter_config`, so that the program runs for its requests."""
    return {FILTER_NAME: {"@type": f"{_LUA}PerRoute", "source_code": {"inline_string": source}}}


def _literal(value: str | int) -> str:
    """A Lua literal. Names are declared identifiers and paths are made of them: anything else has no place here.

    Raises:
        ValueError: the text could end the literal.
    """
    if isinstance(value, int):
        return str(value)
    if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
        raise ValueError(f"{value!r} cannot stand in the proxy's program")
    return f'"{value}"'
