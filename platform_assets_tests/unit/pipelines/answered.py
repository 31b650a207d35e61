"""Payments for worlds in which requests were answered."""

from datetime import timedelta

import numpy as np
import polars as pl

from platform_assets.testing.payments import EVENT_SCHEMA, FIRST_DAY, LABEL_SCHEMA, MIDNIGHT

DAYS = 9
SERVED = FIRST_DAY + timedelta(days=7)


def payments(seed: int = 0, each_day: int = 60) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Payments of few cards at few shops; large ones are bad more often."""
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for number in range(DAYS * each_day):
        day = number // each_day
        at = MIDNIGHT + timedelta(days=day, seconds=int(86_400 * (number % each_day) / each_day))
        amount = float(np.round(random.gamma(2.0, 30.0), 2))
        rows.append((number, at, int(random.integers(8)), int(random.integers(5)), amount, at.date()))
        labels.append((number, at, int(amount + random.normal(0, 20) > 90), at.date()))
    events = pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")
    return events, pl.DataFrame(labels, schema=LABEL_SCHEMA, orient="row")
