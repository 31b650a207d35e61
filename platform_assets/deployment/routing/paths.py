"""The paths of a use case, and how a version is asked for by name.

Belongs here: what callers write. Does not belong here: where it leads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

VERSION_HEADER = "x-service-version"
"""On every answer: the version that gave it."""

_MODEL_VERSION = re.compile(r"^v(.+)-[0-9a-f]{12}$")
"""What of a release's version is the model's: a release is called by both its model and its content."""


def path_prefix(use_case: str) -> str:
    """The part of the address that belongs to one use case."""
    return f"/v1/{use_case}/"


def open_inference_path(use_case: str) -> str:
    """Where the Open Inference Protocol has a use case; a service answers it below its own prefix."""
    return f"/v2/models/{use_case}"


def arms_by_version(arms: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The arms that a caller may ask for by the version of their model; none where fewer than two models have traffic.

    Args:
        arms: name and release's version of each arm that has traffic.
    """
    found: dict[str, list[str]] = {}
    for name, version in arms:
        found.setdefault(_MODEL_VERSION.sub(r"\1", version), []).append(name)
    alone = {version: names[0] for version, names in found.items() if len(names) == 1}
    return alone if len(found) > 1 else {}
