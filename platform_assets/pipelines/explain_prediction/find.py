"""Find a prediction by its request: in the lake, and in the segments of the services' log that were not stored yet.

Belongs here: the look-up. Does not belong here: what is made of the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.prediction_log import find_line
from platform_assets.pipelines.explain_prediction.errors import NotExplained

_IDS = ("request_id", "caller_request_id")


@dataclass(frozen=True)
class FoundPrediction:
    """A prediction as it was logged.

    Attributes:
        row: the columns of the prediction log.
        place: where it was found, in words.
        shadow: whether it was given to nobody.
    """

    row: Mapping[str, Any]
    place: str
    shadow: bool = False


def find_prediction(
    catalog: Catalog, log_folder: Path, request: str, day: date | None = None
) -> FoundPrediction | None:
    """The prediction of a request; None where this use case knows none.

    Args:
        catalog: the tables.
        log_folder: of the use case's services.
        request: the id in the log, or the one that the caller gave and got back.
        day: of its event, where it is known: only that partition is read.

    Raises:
        NotExplained: callers used the id for several requests.
    """
    for table, shadow in ((catalog.predictions, False), (catalog.shadow_predictions, True)):
        if not table.exists():
            continue
        found = _stored(table, request, day)
        if found is not None:
            return FoundPrediction(found, f"{catalog.path(table)} version {table.version()}", shadow)
    line = find_line(log_folder, catalog.use_case, request)
    if line is None:
        return None
    place, row = line
    return FoundPrediction(row, f"{place}, not stored yet", row.get("role") == "shadow")


def _stored(table: LakeTable, request: str, day: date | None) -> dict[str, Any] | None:
    ids = table.scan(day, day, columns=[*_IDS, EVENT_DAY], ordered=False)
    named = ids.filter(pl.any_horizontal(pl.col(name) == request for name in _IDS)).collect()
    own = named.filter(pl.col("request_id") == request)
    chosen = own if own.height else named
    if chosen.height > 1:
        listed = ", ".join(chosen["request_id"].head(5).to_list())
        raise NotExplained(
            f"callers used the id {request!r} for {chosen.height} requests; name one by the log's own id: {listed}"
        )
    if chosen.is_empty():
        return None
    on = chosen[EVENT_DAY][0]
    rows = table.scan(on, on, ordered=False).filter(pl.col("request_id") == chosen["request_id"][0]).collect()
    return rows.row(0, named=True)
