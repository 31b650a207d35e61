"""Values of features for Feast: what an on-demand view of a use case answers for the rows that it is given.

Belongs here: from Feast's columns to requests, and back. Does not belong here: the computation (`online/request_features.py`), Feast's
objects (`views.py`).

Feast runs this in the process that asks, by the text of a function in its registry; what is stored is opened once for each declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.feast_repository.folder import DECLARATION_FILE, settings_of
from platform_assets.features.online.request_features import OnlineFeatures

SAMPLE_TEXT = "hello world"
"""What Feast puts into a text when it asks a view for the types of its answer, before anything is stored."""


@dataclass(frozen=True, eq=False)
class _Opened:
    """A use case with its online features."""

    use_case: UseCase
    features: OnlineFeatures


def feature_values(folder: str, view: str, inputs: Mapping[str, Sequence[Any]]) -> dict[str, list[float]]:
    """The features of a view for some requests, computed from the stored events as the service computes them.

    Args:
        folder: the use case's Feast repository.
        view: name of the declared view.
        inputs: the request's columns, a list for each; times as ISO 8601 text, because Feast keeps whole seconds of its own.

    Raises:
        FeatureError: a column is missing or has a wrong type, or the folder is not there.
        StateError: the online store holds no states of this feature contract.
    """
    declaration = Path(folder) / DECLARATION_FILE
    if not declaration.is_file():
        raise FeatureError(
            f"{declaration} is not there: the home was moved or removed since Feast's registry was written; materialize the online "
            "store asset, or run `platform-assets features feast`"
        )
    use_case = _declared(str(declaration), declaration.stat().st_mtime_ns)
    names = next(one for one in use_case.features if one.name == view).feature_names
    times = [name for name in use_case.serving.request if _is_time(use_case, name)]
    if times and list(inputs[times[0]]) == [SAMPLE_TEXT]:
        return {name: [0.0] for name in names}
    features = _opened(str(declaration), declaration.stat().st_mtime_ns).features
    places = [use_case.feature_names.index(name) for name in names]
    rows = [features.vector(event).values[places] for event in requests(use_case, inputs)]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), len(names)).T
    return {name: column.tolist() for name, column in zip(names, columns, strict=True)}


def requests(use_case: UseCase, inputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Feast's columns as requests.

    Raises:
        FeatureError: a column is missing, or a time is no text.
    """
    columns = list(use_case.serving.request)
    missing = [name for name in columns if name not in inputs]
    if missing:
        raise FeatureError(f"the rows lack {missing}; a request of {use_case.name!r} carries {columns}")
    values = {name: [_value(use_case, name, one) for one in inputs[name]] for name in columns}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _is_time(use_case: UseCase, name: str) -> bool:
    return isinstance(use_case.event_source.column(name).polars_type, pl.Datetime | pl.Date)


def _value(use_case: UseCase, name: str, value: Any) -> Any:
    """One value in the type of its column."""
    if value is None or not _is_time(use_case, name):
        return value
    if not isinstance(value, str):
        raise FeatureError(
            f"{name!r} is {value!r}: give it as text, such as '2026-03-01T09:30:00.250Z'; Feast's own times have whole seconds"
        )
    try:
        if isinstance(use_case.event_source.column(name).polars_type, pl.Date):
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise FeatureError(f"{name!r} is {value!r}; it must be an ISO 8601 time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@lru_cache(maxsize=8)
def _declared(path: str, changed: int) -> UseCase:
    return UseCase.model_validate_json(Path(path).read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _opened(path: str, changed: int) -> _Opened:
    use_case = _declared(path, changed)
    return _Opened(use_case, OnlineFeatures(use_case, settings_of(Path(path).parent)))
