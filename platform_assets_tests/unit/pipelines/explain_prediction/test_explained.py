"""A logged prediction is computed again to the bit, and everything that it came from is named."""

import json
from datetime import timedelta

import pytest

from platform_assets.monitoring.explanation_page import explanation_page
from platform_assets.pipelines.explain_prediction.errors import NotExplained
from platform_assets.pipelines.explain_prediction.explain import PredictionExplanation, explain_prediction
from platform_assets.pipelines.explain_prediction.find import find_prediction
from platform_assets.testing.answered_world import AnsweredWorld

from .conftest import SERVED


def explained(world: AnsweredWorld, request: str) -> PredictionExplanation:
    found = find_prediction(world.catalog, world.log_folder, request)
    assert found is not None, request
    return explain_prediction(world.catalog, found, world.serving, world.models)


def ids(world: AnsweredWorld, decision: str | None = None) -> list[str]:
    log = world.catalog.predictions.read()
    return [row["request_id"] for row in log.to_dicts() if decision in (None, row["decision"])]


def test_answers_and_features_are_equal_to_the_bit_after_the_tables_went_on(answered: AnsweredWorld) -> None:
    for request in ids(answered)[::12]:
        found = explained(answered, request)
        assert found.is_proven, found.verdict
        assert found.features.proof == "as known then"
        assert found.sum.gap < 1e-9
        assert all(account.same for account in found.accounts)
