"""A small world of payments that were answered, for tests that ask about single answers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.payments import EVENT_SCHEMA, FIRST_DAY, LABEL_SCHEMA, MIDNIGHT, use_case

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


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnsweredWorld]:
    """Two days that were answered by a booster, stored and loaded; the first day's tables were replaced since."""
    case = use_case()
    monitoring = case.monitoring.model_copy(
        update={"explanations": case.monitoring.explanations.model_copy(update={"changeable": ("amount",)})}
    )
    world = AnsweredWorld(tmp_path_factory.mktemp("answered"), case.model_copy(update={"monitoring": monitoring}), *payments())
    world.load(FIRST_DAY, SERVED - timedelta(days=1))
    world.release("1", world.train("xgboost", SERVED, {"n_estimators": 20, "max_depth": 3, "threads": 1}))
    for day in (SERVED, SERVED + timedelta(days=1)):
        world.serve(day)
    yield world
