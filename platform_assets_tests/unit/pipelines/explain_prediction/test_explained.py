"""A logged prediction is computed again to the bit, and everything that it came from is named."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.maintenance import maintain
from platform_assets.monitoring.explanation_page import explanation_page
from platform_assets.orchestration.assets.explanations import explanations_asset
from platform_assets.pipelines.explain_prediction.errors import NotExplained
from platform_assets.pipelines.explain_prediction.explain import PredictionExplanation, explain_prediction
from platform_assets.pipelines.explain_prediction.find import find_prediction
from platform_assets.pipelines.explain_prediction.samples import explain_samples, explanations_table
from platform_assets.pipelines.jobs import job_tables
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.payments import use_case
from platform_assets_tests.unit.pipelines.answered import SERVED

DECISION = use_case().serving.decision
assert DECISION is not None
ABOVE, BELOW = DECISION.above, DECISION.below


def explained(world: AnsweredWorld, request: str) -> PredictionExplanation:
    found = find_prediction(world.catalog, world.log_folder, request)
    assert found is not None, request
    return explain_prediction(world.catalog, found, world.serving, world.models)


def ids(world: AnsweredWorld, decision: str | None = None) -> list[str]:
    log = world.catalog.predictions.read()
    return [row["request_id"] for row in log.to_dicts() if decision in (None, row["decision"])]


@pytest.fixture
def copy(answered: AnsweredWorld, tmp_path: Path) -> AnsweredWorld:
    """The same world once more, to be changed."""
    shutil.copytree(answered.root, tmp_path / "copy")
    return AnsweredWorld(tmp_path / "copy", answered.use_case, answered.events, answered.labels, answered.answers)


def test_answers_and_features_are_equal_to_the_bit_after_the_tables_went_on(answered: AnsweredWorld) -> None:
    for request in ids(answered)[::12]:
        found = explained(answered, request)
        assert found.is_proven, found.verdict
        assert found.features.proof == "as known then"
        assert found.sum.exact
        assert found.sum.gap < 1e-9
        assert all(account.same for account in found.accounts)


def test_a_window_names_the_events_behind_it_and_where_each_was_known_from(answered: AnsweredWorld) -> None:
    last = answered.catalog.predictions.read(SERVED, SERVED).sort("scored_at").row(-1, named=True)
    accounts = {account.name: account for account in explained(answered, last["request_id"]).accounts}
    count = accounts["card_count_1d"]
    assert count.logged == count.counted == len(count.events)
    assert count.events[0].known_from == "this request itself"
    known = {event.known_from.split(",")[0].split(" payments-")[0] for event in accounts["card_count_3d"].events}
    assert any(text.startswith("request") for text in known), "payments of the same day were known from requests"
    assert any("clean/payments version" in text for text in known)
    assert any("clean/payments version" in text for text in accounts["shop_bad_ratio_3d"].tables)


def test_a_declined_payment_names_the_smaller_amount_that_would_have_passed(answered: AnsweredWorld) -> None:
    found = explained(answered, ids(answered, ABOVE)[0])
    [change] = found.search.changes
    assert change.column == "amount"
    assert change.changed < change.value
    assert (found.answer.decision, change.decision) == (ABOVE, BELOW)


def test_a_request_is_found_by_the_callers_id_and_before_it_is_stored(answered: AnsweredWorld) -> None:
    first = ids(answered)[0]
    assert explained(answered, f"caller-{first}").found.row["request_id"] == first
    live = explained(answered, f"caller-{ids_of_log(answered)[-1]}")
    assert live.found.place.endswith("not stored yet")
    assert live.is_proven, live.verdict


def ids_of_log(world: AnsweredWorld) -> list[str]:
    lines = [line for path in sorted(world.log_folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line)["request_id"] for line in lines]


def test_what_retention_took_is_said_with_its_date_and_the_answer_is_computed_all_the_same(copy: AnsweredWorld) -> None:
    catalog, request = copy.catalog, ids(copy)[5]
    for table in (catalog.events.stored, catalog.labels.stored):
        maintain(table.uri, None, cluster_by=(), keep_versions=(), keep_days=0, dry_run=False)
    found = explained(copy, request)
    assert (found.features.proof, found.is_proven) == ("expired", False)
    assert found.answer.same
    assert "was replaced" in found.features.sentence
    assert "files removed" in found.features.sentence
    assert found.search.changes == ()
    copy.compute(SERVED, SERVED)
    again = explained(copy, request)
    assert (again.features.proof, again.is_proven) == ("as the tables say today", True)


def test_a_release_that_is_gone_refuses(copy: AnsweredWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copy.serving.bento_root())
    monkeypatch.setattr(ModelStore, "registry", lambda _: FakeRegistry())
    with pytest.raises(NotExplained, match="the model that answered is not kept any more: release sha256:"):
        explained(copy, ids(copy)[0])


def test_a_changed_answer_is_red(copy: AnsweredWorld) -> None:
    table = copy.catalog.predictions
    log = table.read(SERVED, SERVED)
    table.write_partitions(log.with_columns(pl.col("score") + 1e-9), SERVED, SERVED)
    found = explained(copy, log["request_id"][0])
    assert not found.is_proven
    assert found.verdict.startswith("NOT equal")


def test_the_page_says_it_in_words_and_escapes_what_came_from_outside(answered: AnsweredWorld) -> None:
    document = explained(answered, ids(answered, ABOVE)[0]).document()
    document["prediction"]["decision"] = "<script>"
    page = explanation_page(document, "2026-03-01")
    for said in (
        "What mattered",
        "amount",
        "Art. 86",
        "Art. 22",
        "equal to the bit",
        "instead of",
        "clean/payments",
        "promoted",
    ):
        assert said in page
    assert "<script>" not in page
    json.dumps(document, default=str)


def test_nothing_is_known_of_a_made_up_request(answered: AnsweredWorld) -> None:
    assert find_prediction(answered.catalog, answered.log_folder, "no-such-request") is None
    day = SERVED + timedelta(days=1)
    assert find_prediction(answered.catalog, answered.log_folder, ids(answered)[0], day) is not None, (
        "the log has it too"
    )


def test_samples_of_a_day_are_explained_and_a_wrong_one_is_counted(copy: AnsweredWorld) -> None:
    case = copy.use_case
    wanted = case.monitoring.explanations.model_copy(update={"samples_per_day": 4, "changeable": ()})
    monitoring = case.monitoring.model_copy(update={"explanations": wanted})
    catalog = Catalog(case.model_copy(update={"monitoring": monitoring}), copy.lake)
    days = DayRange(SERVED, SERVED)
    found = explain_samples(catalog, copy.serving, copy.models, days).by_day[SERVED]
    assert (found.explained, found.proven, found.expired, found.wrong) == (4, 4, 0, ())
    stored = explanations_table(catalog).read()
    assert stored["payment_id"].null_count() == 0, "an erasure finds them by their events"
    log = catalog.predictions.read(SERVED, SERVED)
    changed = pl.when(pl.col("request_id") == stored["request_id"][0]).then(0.123).otherwise("score").alias("score")
    catalog.predictions.write_partitions(log.with_columns(changed), SERVED, SERVED)
    again = explain_samples(catalog, copy.serving, copy.models, days).by_day[SERVED]
    assert [request for request, _ in again.wrong] == [stored["request_id"][0]]


def test_the_asset_of_samples_is_there_where_they_are_asked_for() -> None:
    case = use_case()
    wanted = case.monitoring.explanations.model_copy(update={"samples_per_day": 4})
    asked = case.model_copy(update={"monitoring": case.monitoring.model_copy(update={"explanations": wanted})})
    key = dg.AssetKey(["payments", "monitoring", "explanations"])
    asset = explanations_asset(use_case=asked)
    assert asset.key == key
    assert [check.name for check in asset.check_specs] == ["proven"]
    assert ("monitoring", "explanations") in job_tables(asked)["watch"]
    assert ("monitoring", "explanations") not in job_tables(case)["watch"]
