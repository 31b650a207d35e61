"""A small world of payments that were answered, for tests that ask about single answers."""

from datetime import timedelta

import pytest

from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.payments import FIRST_DAY, use_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments


@pytest.fixture(scope="package")
def answered(tmp_path_factory: pytest.TempPathFactory) -> AnsweredWorld:
    """Two days that were answered by a booster and loaded since; the log of the second one is not stored yet."""
    case = use_case()
    explanations = case.monitoring.explanations.model_copy(update={"changeable": ("amount",)})
    monitoring = case.monitoring.model_copy(update={"explanations": explanations})
    case = case.model_copy(update={"monitoring": monitoring})
    world = AnsweredWorld(tmp_path_factory.mktemp("answered"), case, *payments())
    world.load(FIRST_DAY, SERVED - timedelta(days=1))
    world.release("1", world.train("xgboost", SERVED, {"n_estimators": 20, "max_depth": 3, "threads": 1}))
    world.serve(SERVED)
    world.serve(SERVED + timedelta(days=1), background=True)
    return world
