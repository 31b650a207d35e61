"""Which predictions a file touched: the answer against an account that goes through every window of every request."""

import pytest

from platform_assets.pipelines.touched_by.file_rows import NotTraced, find_file_rows
from platform_assets.pipelines.touched_by.predictions import TouchedPredictions, touched_predictions
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.filed_world import FiledWorld, touched_by_account
from platform_assets_tests.unit.pipelines.answered import SERVED
from platform_assets_tests.unit.pipelines.touched_by.conftest import TAKEN_BACK


def touched(world: FiledWorld, file: str) -> TouchedPredictions:
    """What a file touched."""
    return touched_predictions(find_file_rows(world.catalog, file), world.serving, FakeRegistry())


def test_every_file_touches_what_the_account_says(filed: FiledWorld) -> None:
    """Events and labels, before and after the requests, and a file that was taken back in between: no prediction more, none less."""
    files = sorted({one.file for rows in filed.held.values() for one in rows})[-20:]
    for file in files:
        found = touched(filed, file)
        by_request = {row["request_id"]: set(row["features"]) for row in found.by_features.iter_rows(named=True)}
        assert by_request == touched_by_account(filed, file), file
        assert found.untold.is_empty()


def test_a_file_that_was_taken_back_touched_only_what_saw_it(filed: FiledWorld) -> None:
    found = touched(filed, TAKEN_BACK)
    assert found.by_features["event_day"].unique().to_list() == [SERVED]
    assert found.file.delivered() == 12


def test_what_is_no_file_is_refused_with_what_may_be_named(filed: FiledWorld) -> None:
    with pytest.raises(NotTraced, match=r"no source of payments delivered a file 'none\.csv'.*SOURCE/YYYY"):
        touched(filed, "none.csv")
