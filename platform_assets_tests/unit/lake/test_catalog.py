"""Every table of a use case is where it always was, with its declared columns and its partition column."""

from pathlib import Path

import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.lake.catalog import Catalog, predictions_path
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import clean_schema, raw_schema

DEFS = Path(__file__).parents[3] / "platform_assets" / "defs"


@pytest.fixture
def use_case() -> UseCase:
    return load_use_case(DEFS / "card_fraud")


def test_tables_lie_where_stored_homes_have_them(use_case: UseCase) -> None:
    catalog = Catalog(use_case, Lake("/lake/"))
    view = use_case.features[0]
    tables = {
        "raw/labels": catalog.raw("labels").stored,
        "clean/labels": catalog.labels.stored,
        "clean/transactions": catalog.events.stored,
        "quarantine/labels": catalog.quarantine("labels"),
        "profile/labels": catalog.profile("labels"),
        "releases/labels": catalog.releases("labels"),
        "acceptances/labels": catalog.acceptances("labels"),
        "history/labels": catalog.history("labels"),
        f"features/{view.table}": catalog.features(view),
        "features/feature_quality": catalog.feature_quality,
        "training/training_set": catalog.training_sets,
        "serving/prediction_log": catalog.predictions,
        "monitoring/drift": catalog.verdicts("drift"),
        "monitoring/parity": catalog.parity,
        "maintenance/tables": catalog.upkeep,
        "model/ledger": catalog.ledger,
    }
    assert {name: table.uri for name, table in tables.items()} == {name: f"/lake/card_fraud/{name}" for name in tables}
    partitioned = {name: table.partition_by for name, table in tables.items()}
    assert {name for name, column in partitioned.items() if column is None} == {"maintenance/tables", "model/ledger"}
    assert {name for name, column in partitioned.items() if column == "as_of"} == {
        "features/feature_quality",
        "training/training_set",
    }
    assert catalog.carried_state_uri(view) == f"/lake/card_fraud/carried/{view.table}.parquet"


def test_a_reference_table_has_no_partitions(use_case: UseCase) -> None:
    catalog, source = Catalog(use_case, Lake("/lake")), use_case.source("customers")
    for table, schema in (
        (catalog.raw("customers").stored, raw_schema(source)),
        (catalog.clean("customers").stored, clean_schema(source)),
    ):
        assert table.partition_by is None
        assert table.schema == schema


def test_predictions_of_a_batch_use_case_have_a_layer_of_their_own(use_case: UseCase) -> None:
    assert predictions_path(use_case) == ("serving", "prediction_log")
    batch = use_case.model_copy(update={"serving": use_case.serving.model_copy(update={"mode": "batch"})})
    assert predictions_path(batch) == ("predictions", "daily")


def test_only_stored_tables_are_listed_and_opened(use_case: UseCase, tmp_path: Path) -> None:
    catalog = Catalog(use_case, Lake(str(tmp_path)))
    assert catalog.stored_names() == []
    assert not catalog.events.exists()
    assert catalog.events.count_by_day() == {}
    with pytest.raises(LakeTableMissing):
        catalog.stored("clean/labels")
    table = catalog.ledger
    assert catalog.path(table) == "/card_fraud/model/ledger"
