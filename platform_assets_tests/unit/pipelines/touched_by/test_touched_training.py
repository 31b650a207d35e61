"""Which rows of a training set a file touched, and which predictions its model answered."""

import json
from datetime import timedelta

from platform_assets.pipelines.touched_by.file_rows import find_file_rows
from platform_assets.pipelines.touched_by.predictions import touched_predictions
from platform_assets.pipelines.touched_by.stored_days import touched_training_set
from platform_assets.registry.base import RegisteredVersion
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.filed_world import FiledWorld, touched_rows_by_account
from platform_assets_tests.unit.pipelines.answered import SERVED


def test_the_rows_of_a_training_set_are_what_the_account_says(filed: FiledWorld) -> None:
    table = filed.catalog.training_sets
    rows = table.read(SERVED, SERVED)
    made = table.history(1)[0]
    files = sorted({one.file for kind in filed.held.values() for one in kind if one.since < made.committed_at})
    counts = {
        file: touched_training_set(find_file_rows(filed.catalog, file), made.version, SERVED) for file in files[::3]
    }
    account = {file: len(touched_rows_by_account(filed, file, rows, made.committed_at)) for file in counts}
    assert {file: one.touched for file, one in counts.items()} == account
    assert {one.rows for one in counts.values()} == {rows.height}
    assert 0 in account.values(), "a file of later days touches nothing"
    assert max(account.values()) > 12, "and one of early days more than its own rows"


def test_predictions_of_a_touched_model_are_a_list_of_their_own(filed: FiledWorld) -> None:
    registry = FakeRegistry()
    table = filed.catalog.training_sets
    made_from = json.dumps({filed.catalog.path(table): table.history(1)[0].version})
    registry.add(RegisteredVersion("payments", "1", "run", {"as_of": SERVED.isoformat(), "data_versions": made_from}))
    early = find_file_rows(filed.catalog, f"payments/{SERVED - timedelta(days=6)}-a.csv")
    found = touched_predictions(early, filed.serving, registry)
    assert found.by_features.is_empty(), "no window reaches so far back"
    assert found.by_model_alone.height == found.searched == filed.catalog.predictions.row_count()
    [model] = found.models
    assert model.is_touched
    newest = find_file_rows(filed.catalog, f"payments/{SERVED}-a.csv")
    later = touched_predictions(newest, filed.serving, registry)
    assert later.by_features.height > 0
    assert later.by_model_alone.is_empty(), "the model knows nothing of that day"
