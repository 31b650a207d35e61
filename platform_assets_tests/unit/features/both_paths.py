"""The same events on both paths: written as states of the online store, and computed offline."""

from datetime import datetime

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.store import write_state
from platform_assets.testing.payments import FIRST_DAY, LAST_DAY


def write_states(settings: FeastSettings, events: pl.DataFrame, case: UseCase, midnight: datetime) -> None:
    """States of all windows as of a midnight, in the online store."""
    for view in case.features:
        if view.windows:
            write_state(view, entity_state(view, case, events, midnight), settings, case)


def offline_values(events: pl.DataFrame, case: UseCase) -> dict[int, list[float]]:
    """Feature values by event key, NaN for null."""
    values_by_key: dict[int, list[float]] = {key: [] for key in events["payment_id"]}
    for view in case.features:
        for row in compute_view(view, case, events, FIRST_DAY, LAST_DAY).to_dicts():
            values = [np.nan if row[name] is None else row[name] for name in view.feature_names]
            values_by_key[row["payment_id"]] += values
    return values_by_key
