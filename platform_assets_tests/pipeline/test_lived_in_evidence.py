"""What every asset leaves behind, so that a person can tell later what was made, from what, and how it was judged."""

import json
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from deltalake import DeltaTable

from platform_assets.declaration.names import CHAMPION, DEPLOYMENT, ONLINE_STORE, PREDICTION_LOG, SERVICE
from platform_assets.lake.layout import (
    CLEAN,
    FEATURES,
    MAINTENANCE,
    MODEL,
    MONITORING,
    QUARANTINE,
    RAW,
    SERVING,
    TRAINING,
)
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.pipelines.scan_secrets import scan_files

from .conftest import CANARIES, FOLDER, LivedIn

ON_OCCASION = [["model", "rollback"], ["experiments", "design"], ["serving", "rollout"], ["monitoring", "page"]]
DATA_VERSION_TAG, GIVEN_TAG = "dagster/data_version", "dagster/data_version_is_user_provided"


@pytest.fixture(scope="module")
def graph(lived_in: LivedIn) -> AssetGraph:
    definitions = dg.Definitions.merge(
        use_case_definitions(lived_in.use_case, FOLDER),
        dg.Definitions(resources=build_resources(lived_in.installation)),
    )
    return definitions.resolve_asset_graph()


@pytest.fixture(scope="module")
def instance(lived_in: LivedIn) -> Iterator[dg.DagsterInstance]:
    with lived_in.instance() as found:
        yield found


@pytest.fixture(scope="module")
def made(graph: AssetGraph, instance: dg.DagsterInstance) -> dict[tuple[str, str], dg.AssetMaterialization]:
    """The latest materialization of every asset that a run makes, by layer and name."""
    found = {}
    for key in graph.materializable_asset_keys:
        if key.path[1] == MAINTENANCE or key.path[1:] in ON_OCCASION:
            continue  # upkeep, rollouts and pages have sensors of their own, and the others a person materializes
        event = instance.get_latest_materialization_event(key)
        assert event is not None, f"{key.to_user_string()} was never materialized"
        assert event.asset_materialization is not None
        found[key.path[1], key.path[2]] = event.asset_materialization
    return found


Made = dict[tuple[str, str], dg.AssetMaterialization]


def test_every_table_says_how_many_rows_it_has_where_and_in_which_version(made: Made) -> None:
    layers = {RAW, CLEAN, QUARANTINE, FEATURES, TRAINING, MONITORING}
    tables = [(layer, name) for layer, name in made if layer in layers and name != ONLINE_STORE]
    assert len(tables) > 15
    for place in [*tables, (SERVING, PREDICTION_LOG)]:
        event = made[place]
        assert isinstance(event.metadata["dagster/row_count"].value, int), place
        version = event.metadata["delta_version"].value
        assert (event.tags or {})[DATA_VERSION_TAG] == f"delta-{version}", place
        table = DeltaTable(str(event.metadata["dagster/uri"].value))
        assert isinstance(version, int)
        assert table.version() >= version, place


def test_what_is_no_table_has_a_version_of_its_own(made: Made, lived_in: LivedIn) -> None:
    for place in ((MODEL, lived_in.use_case.model_name), (MODEL, CHAMPION), (SERVING, SERVICE), (SERVING, DEPLOYMENT)):
        tags = made[place].tags or {}
        assert tags[GIVEN_TAG] == "true", place
        assert tags[DATA_VERSION_TAG], place
        assert made[place].metadata["model_version"].value == "1", place


def test_columns_can_be_followed_upstream(made: Made, graph: AssetGraph, lived_in: LivedIn) -> None:
    places = [(CLEAN, source.name) for source in lived_in.use_case.sources]
    places += [(FEATURES, view.name) for view in lived_in.use_case.features]
    for place in [*places, (TRAINING, "training_set")]:
        lineage = made[place].metadata["dagster/column_lineage"].value
        assert isinstance(lineage, dg.TableColumnLineage), place
        for column, upstream in lineage.deps_by_column.items():
            assert upstream, f"{place}: {column} comes from nowhere"
            assert all(graph.has(dep.asset_key) for dep in upstream), f"{place}: {column}"


def test_every_check_was_judged_and_every_gate_is_green(graph: AssetGraph, instance: dg.DagsterInstance) -> None:
    for key in graph.asset_check_keys:
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert records, f"{key.asset_key.to_user_string()}:{key.name} was never judged"
        evaluation = records[0].evaluation
        assert evaluation is not None
        assert evaluation.metadata, "evidence on success too"
        spec = graph.get_check_spec(key)
        assert evaluation.passed or not spec.blocking, key


def test_no_planted_secret_lies_anywhere_below_the_home(lived_in: LivedIn) -> None:
    """Lake, ledger, Dagster's runs and logs, releases, launch files, pages: whatever a run leaves behind."""
    result = scan_files([lived_in.home], CANARIES)
    assert result.found == []
    assert result.unread == []
    assert result.files > 500
    assert result.bytes_read > 10e6
    assert not [canary for canary in CANARIES if canary in lived_in.printed + lived_in.printed_before]


def test_a_picture_where_people_would_rather_look(made: Made, lived_in: LivedIn) -> None:
    for place in (
        (CLEAN, lived_in.use_case.events),
        (MODEL, lived_in.use_case.model_name),
        (MODEL, "evaluation"),
        (MONITORING, "drift"),
        (MONITORING, "quality"),
        (MONITORING, "estimated_quality"),
        (SERVING, PREDICTION_LOG),
    ):
        texts = [value.value for value in made[place].metadata.values() if isinstance(value, dg.MarkdownMetadataValue)]
        assert any(str(text).startswith("![plot](data:image/png;base64,") for text in texts), place


def test_what_the_run_took_is_recorded_and_priced(lived_in: LivedIn) -> None:
    shown = json.loads(lived_in.run("cost", "show", "card_fraud", "--json")[1])
    (costs,) = shown["use_cases"]
    kinds = {one["kind"]: one for one in costs["kinds"]}
    assert {"data", "features", "training", "serving", "monitoring", "overhead", "service", "proxy", "storage"} == set(
        kinds
    )
    assert all(kinds[name]["cpu_seconds"] > 0 for name in ("data", "features", "training", "service"))
    assert costs["service"]["requests"] > 1000
    training = json.loads(lived_in.run("cost", "training", "card_fraud", "--json")[1])["training"]
    parts = {(one["candidate"], one["what"]): one for one in training["parts"]}
    assert sum(one["money"] for one in training["parts"]) == pytest.approx(training["money"])
    assert sum(one["cpu_seconds"] for one in training["parts"]) == pytest.approx(training["cpu_seconds"])
    folds = [one for (_, what), one in parts.items() if what == "folds"]
    assert len(folds) >= 2
    assert all(one["folds"] >= 1 and one["cpu_seconds"] > 0 for one in folds)
    assert [what for _, what in parts][-1] == "beside them"
    planned = json.loads(lived_in.run("cost", "plan", "card_fraud", "watch", "--json")[1])
    assert planned["plan"]["runs"] >= 1
    assert planned["plan"]["cpu_seconds"] > 0
