"""Where a table lives: `<root>/<use_case>/<layer>/<table>`.

Belongs here: the names of the layers and the one function that puts an address together. Does not belong here: where
the root is (`settings.py`) and which tables a use case has (`catalog`).
"""

import re
from typing import Final

RAW: Final = "raw"
CLEAN: Final = "clean"
QUARANTINE: Final = "quarantine"
HISTORY: Final = "history"
PROFILE: Final = "profile"
RELEASES: Final = "releases"
ACCEPTANCES: Final = "acceptances"
FEATURES: Final = "features"
TRAINING: Final = "training"
MODEL: Final = "model"
SERVING: Final = "serving"
PREDICTIONS: Final = "predictions"
MONITORING: Final = "monitoring"
EXPERIMENTS: Final = "experiments"
MAINTENANCE: Final = "maintenance"

LAYERS: Final = (
    RAW,
    CLEAN,
    QUARANTINE,
    HISTORY,
    PROFILE,
    RELEASES,
    ACCEPTANCES,
    FEATURES,
    TRAINING,
    MODEL,
    SERVING,
    PREDICTIONS,
    MONITORING,
    EXPERIMENTS,
    MAINTENANCE,
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def table_uri(root: str, use_case: str, layer: str, table: str) -> str:
    """Address of a table of a use case.

    Args:
        root: The lake's root: a local folder or an object-store address such as `s3://bucket/lake`.
        use_case: Name of the use case, snake case.
        layer: One of `LAYERS`.
        table: Name of the table, snake case.

    Returns:
        The address, without a trailing slash.

    Raises:
        ValueError: A name is not snake case, the layer is unknown, or the root is empty.
    """
    if not root.strip():
        raise ValueError("the lake root is empty: set it to a folder or to an address such as s3://bucket/lake")
    if layer not in LAYERS:
        raise ValueError(f"unknown layer {layer!r} for table {table!r}: use one of {', '.join(LAYERS)}")
    for role, name in (("use case", use_case), ("table", table)):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{role} {name!r} is not a valid name: lower-case letters, digits and _, first a letter")
    trimmed = root.rstrip("/")
    return f"{trimmed}/{use_case}/{layer}/{table}"
