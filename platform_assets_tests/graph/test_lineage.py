"""Every column of every table has an origin, and questions about lineage have complete answers."""

from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.lake.lineage.graph import ORIGINS, PLATFORM, SOURCE, ColumnOf, Lineage
from platform_assets.lake.lineage.use_case import lineage
from platform_assets.orchestration.assets.build import build_assets
from platform_assets_tests.onboarding.machine_world import ENERGY_USE, MACHINE_FAILURE

USE_CASES = [declared.use_case for declared in declared_use_cases()]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from platform_assets.definitions import defs

    return defs()


@pytest.fixture(scope="module")
def graph() -> Lineage:
    return lineage(next(use_case for use_case in USE_CASES if use_case.name == "card_fraud"))


def tables(definitions: dg.Definitions, use_case: UseCase) -> dict[dg.AssetKey, list[str]]:
    """Columns of every asset that declares them."""
    assets = definitions.resolve_asset_graph()
    schemas = {key: assets.get(key).metadata.get("dagster/column_schema") for key in assets.get_all_asset_keys()}
    return {
        key: [column.name for column in schema.columns]
        for key, schema in schemas.items()
        if isinstance(schema, dg.TableSchema) and key.path[0] == use_case.name
    }


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda use_case: use_case.name)
def test_every_column_of_every_asset_has_an_origin(definitions: dg.Definitions, use_case: UseCase) -> None:
    graph, lacking = lineage(use_case), []
    found = tables(definitions, use_case)
    assert {key.path[1] for key in found} >= {
        "raw",
        "clean",
        "quarantine",
        "profile",
        "features",
        "training",
        "model",
        "monitoring",
    }
    for key, columns in found.items():
        for column in columns:
            node = ColumnOf(key.path[1], key.path[2], column)
            ends = {above for above in graph.upstream(node) if not graph.origins(above)}
            if not ends or {end.layer for end in ends} - set(ORIGINS):
                lacking.append(f"{node} ends at {sorted(map(str, ends))}")
    assert lacking == []


@pytest.mark.parametrize("use_case", USE_CASES, ids=lambda use_case: use_case.name)
def test_dagster_shows_the_lineage_of_every_column_that_comes_from_an_asset(
    definitions: dg.Definitions, use_case: UseCase
) -> None:
    graph, assets = lineage(use_case), definitions.resolve_asset_graph()
    known = tables(definitions, use_case)
    for key, columns in known.items():
        shown = assets.get(key).metadata.get("dagster/column_lineage")
        deps = shown.deps_by_column if isinstance(shown, dg.TableColumnLineage) else {}
        for column in columns:
            origins = graph.origins(ColumnOf(key.path[1], key.path[2], column))
            above = [node for node in origins if not node.is_origin or (node.layer == SOURCE and node.column != "*")]
            assert len(deps.get(column, [])) == len(above), f"{key.to_user_string()}.{column}"
        for dep in (dep for found in deps.values() for dep in found):
            if dep.asset_key.path[1] == SOURCE:
                assert dep.column_name in use_case.source(dep.asset_key.path[2]).column_names
            elif dep.asset_key in known:
                assert dep.column_name in known[dep.asset_key], f"{key.to_user_string()} refers to {dep}"
            else:
                assert dep.asset_key in assets.get_all_asset_keys()


@pytest.mark.parametrize("text", [MACHINE_FAILURE, ENERGY_USE], ids=["machine_failure", "energy_use"])
def test_every_column_of_a_use_case_that_a_team_brings_has_an_origin(text: str, tmp_path: Path) -> None:
    (tmp_path / "defs.yaml").write_text(text)
    use_case = load_use_case(tmp_path)
    graph = lineage(use_case)
    specs = [spec for definition in build_assets(use_case, tmp_path) for spec in definition.specs]
    assert specs
    for spec in specs:
        schema = spec.metadata.get("dagster/column_schema")
        for column in schema.columns if isinstance(schema, dg.TableSchema) else []:
            above = graph.upstream(ColumnOf(*spec.key.path[1:], column.name))
            ends = {node.layer for node in above if not graph.origins(node)}
            assert ends, f"{spec.key.to_user_string()}.{column.name} has no origin"
            assert ends <= set(ORIGINS)


def test_a_column_that_is_made_from_nothing_is_found_out(graph: Lineage) -> None:
    assert graph.upstream(ColumnOf("features", "customer_activity", "no_such_feature")) == set()
    assert graph.upstream(ColumnOf("training", "training_set", "no_such_feature")) == set()


def test_a_windowed_feature_comes_from_the_columns_its_window_reads(graph: Lineage) -> None:
    [feature] = [node for node in graph.find("terminal_fraud_ratio_7d") if node.layer == "features"]
    sources = {str(node) for node in graph.upstream(feature) if node.layer == SOURCE}
    assert sources == {
        "source/transactions.transaction_time",
        "source/transactions.terminal_id",
        "source/labels.is_fraud",
    }


def test_a_windowed_feature_comes_from_the_columns_of_its_condition(graph: Lineage) -> None:
    [feature] = [node for node in graph.find("customer_genuine_amount_30d") if node.layer == "features"]
    sources = {str(node) for node in graph.upstream(feature) if node.layer == SOURCE}
    assert {"source/transactions.amount", "source/labels.is_fraud"} <= sources


def test_what_is_downstream_of_a_source_column_reaches_monitoring(graph: Lineage) -> None:
    below = {str(node) for node in graph.downstream(ColumnOf(SOURCE, "transactions", "amount"))}
    assert {
        "raw/transactions.amount",
        "clean/transactions.amount",
        "quarantine/transactions.*",
        "training/training_set.customer_mean_amount_7d",
        "model/classifier.amount",
        "serving/prediction_log.feature__customer_mean_amount_7d",
        "serving/prediction_log.score",
        "monitoring/drift.status",
        "monitoring/quality.status",
    } <= below
    assert not any("terminal_count" in name for name in below)


def test_a_feature_computed_from_the_request_alone_needs_no_stored_table(graph: Lineage) -> None:
    assert [str(node) for node in graph.origins(ColumnOf("serving", "prediction_log", "feature__is_night"))] == [
        "request/card_fraud.transaction_time"
    ]


def test_columns_are_found_by_as_much_of_their_name_as_is_given(graph: Lineage) -> None:
    assert {node.layer for node in graph.find("is_fraud")} >= {"source", "raw", "clean", "training", "model"}
    assert [str(node) for node in graph.find("labels.is_fraud")][:2] == [
        "source/labels.is_fraud",
        "raw/labels.is_fraud",
    ]
    assert [str(node) for node in graph.find("clean/labels.is_fraud")] == ["clean/labels.is_fraud"]
    assert graph.find("clean/labels.nothing") == []
    assert PLATFORM in ORIGINS
