"""`platform-assets features`: what it prints of a small world, and how it refuses."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import DeclaredUseCase, declared_use_cases
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.feature_stores import CustomFeatureStore
from platform_assets.features.entity_state import entity_state
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.online.feast_objects import windowed_views
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply, write_state
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES
from platform_assets.settings import Settings
from platform_assets.simulation.generators import load_generator

DAYS = 40


@dataclass
class World:
    """Events of a few customers in a lake, with the feature tables of the last day."""

    use_case: UseCase
    events: pl.DataFrame
    event: dict[str, Any]
    features: dict[str, float | None]
    home: Path

    @property
    def entity(self) -> str:
        return f"customer={self.event['customer_id']}"

    @property
    def at(self) -> str:
        return str(self.event["transaction_time"].isoformat())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = tmp_path_factory.mktemp("home")
    use_case = declared_use_cases("card_fraud")[0].use_case
    lake = Lake(root=str(home / "lake"))
    connector = use_case.event_source.connector
    assert isinstance(connector, SimulatorConnector)
    generator = load_generator(connector.generator, {**connector.settings, "customers": 12, "terminals": 25})
    first = use_case.history.first_day
    last = first + timedelta(days=DAYS - 1)
    events, labels = (
        generator.read(name, first, last).with_columns(pl.col(use_case.event_time).dt.date().alias("event_day"))
        for name in (use_case.events, use_case.label.source)
    )
    for source, rows in ((use_case.event_source, events), (use_case.label_source, labels)):
        table = Catalog(use_case, lake).clean(source.name).stored
        table.write_partitions(rows.select(list(table.schema)), first, last)
    labelled = join_labels(events, labels, use_case)
    event = events.filter(pl.col("event_day") == last).sort("transaction_time").row(-1, named=True)
    features: dict[str, float | None] = {}
    for view in use_case.features:
        schema = use_case.feature_schema(view)
        frame = compute_view(view, use_case, labelled, last, last)
        lake.table(use_case.name, FEATURES, view.table, schema).write_partitions(frame, last, last)
        row = frame.filter(pl.col("transaction_id") == event["transaction_id"]).row(0, named=True)
        features |= {name: row[name] for name in view.feature_names}
    return World(use_case, labelled, event, features, home)


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(world.home))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, fails: bool = False) -> str:
        result = CliRunner().invoke(app, ["features", *arguments])
        assert (result.exit_code != 0) == fails, result.output
        return result.output

    return call


def test_show_prints_every_feature_of_an_event_as_the_feature_tables_have_them(
    world: World, run: Callable[..., str]
) -> None:
    said = run("show", world.entity, "--at", world.at)
    for name, value in world.features.items():
        line = next(line for line in said.splitlines() if f" {name} " in line)
        assert ("null" if value is None else repr(value)) in line
    assert f"transaction_id={world.event['transaction_id']}" in said
    assert "features explain" in said


def test_explain_names_the_edges_the_events_that_counted_and_why_others_did_not(
    world: World, run: Callable[..., str]
) -> None:
    window = next(w for view in windowed_views(world.use_case) for w in view.windows if w.delay_microseconds == 0)
    name = window.feature_name(1)
    said = run("explain", world.entity, "--at", world.at, "--feature", name)
    time = world.event["transaction_time"]
    assert f"after {(time - timedelta(days=1)).isoformat()}, up to {time.isoformat()}" in said
    mine = world.events.filter(pl.col("customer_id") == world.event["customer_id"])
    inside = mine.filter(pl.col("transaction_time").is_between(time - timedelta(days=1), time, closed="right"))
    assert f"{len(inside)} events counted" in said
    assert f"transaction_id={inside['transaction_id'][-1]}" in said
    assert "too old: at or before the window's oldest instant" in said


def test_a_moment_without_event_is_told_with_the_nearest_events(world: World, run: Callable[..., str]) -> None:
    later = (world.event["transaction_time"] + timedelta(microseconds=1)).isoformat()
    said = run("show", world.entity, "--at", later)
    assert "no event then" in said
    assert world.at in said, "the nearest event"


def test_the_online_store_stands_beside_and_a_difference_is_exit_code_1(world: World, run: Callable[..., str]) -> None:
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(world.home)})
    (world.home / "feast").mkdir(exist_ok=True)
    feast = FeatureStore(
        registry=settings.feast_registry, online_store=settings.feast_online_store, home=str(world.home / "feast")
    ).settings(world.use_case)
    apply(world.use_case, feast)
    said = run("show", world.entity, "--at", world.at, "--online", fails=True)
    assert "differs" in said
    told = json.loads(run("feast", "card_fraud", "--json"))["use_cases"][0]
    assert told["views"] == [view.name for view in world.use_case.features]
    assert (Path(told["folder"]) / "feature_store.yaml").is_file()
    assert f"cd {told['folder']}" in run("feast", "card_fraud").replace("\n", "")
    midnight = date.fromisoformat(world.at[:10]) + timedelta(days=1)
    known = world.events
    for view in windowed_views(world.use_case):
        write_state(view, entity_state(view, world.use_case, known, midnight), feast, world.use_case)
    said = run("show", world.entity, "--at", world.at, "--online")
    assert "online store" in said
    assert "differs" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("feast", "bike_demand"), "no feature service"),
        (("show", "nobody=1", "--at", "2018-04-01T12:00:00Z"), "no use case knows an entity 'nobody'"),
        (("show", "customer", "--at", "2018-04-01T12:00:00Z"), "write its name or key and a value"),
        (("show", "customer=x", "--at", "2018-04-01T12:00:00Z"), "'x' is none"),
        (("show", "customer=1", "--at", "noon"), "no time in ISO 8601"),
        (("explain", "customer=1", "--at", "2018-05-01T12:00:00Z", "--feature", "no"), "no such feature here"),
        (("stream", "card_fraud", "--detach"), "names no topic"),
    ],
)
def test_refusals_say_what_to_write(run: Callable[..., str], arguments: tuple[str, ...], says: str) -> None:
    assert says in " ".join(run(*arguments, fails=True).split())


def test_stored_days_are_published_in_the_declared_store(
    world: World, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "nothing to do" in run("publish", "card_fraud")
    opened_by = "platform_assets.testing.folder_feature_store:open_store"
    own = CustomFeatureStore(opened_by=opened_by, settings={"folder": str(tmp_path)})
    use_case = world.use_case.model_copy(update={"feature_store": "custom", "custom_feature_store": own})
    declared = [DeclaredUseCase(use_case, tmp_path)]
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda *given: declared)
    listed = json.loads(run("publish", "card_fraud", "--json"))["published"]
    assert [one["table"] for one in listed] == [f"card_fraud_{view.table}" for view in use_case.features]
    last = use_case.history.first_day + timedelta(days=DAYS - 1)
    rows = world.events.filter(pl.col("event_day") == last).height
    assert {(one["days"], one["rows"], one["store"]) for one in listed} == {(1, rows, "custom")}
    [view, *_] = use_case.features
    shown = pl.read_parquet(tmp_path / f"card_fraud_{view.table}" / f"{last}.parquet")
    [row] = shown.filter(pl.col("transaction_id") == world.event["transaction_id"]).rows(named=True)
    assert {name: row[name] for name in view.feature_names} == {
        name: world.features[name] for name in view.feature_names
    }
    before = (use_case.history.first_day).isoformat()
    assert json.loads(run("publish", "card_fraud", "--last", before, "--json"))["published"][0]["days"] == 0
    assert "has no view 'nothing'" in run("publish", "card_fraud", "--view", "nothing", fails=True)
    assert "is no day" in run("publish", "card_fraud", "--first", "yesterday", fails=True)


def test_standard_input_is_an_event_stream(world: World, run: Callable[..., str]) -> None:
    settings = Settings.from_environment({"PLATFORM_ASSETS_HOME": str(world.home)})
    feast = FeatureStore(
        registry=settings.feast_registry, online_store=settings.feast_online_store, home=str(world.home / "feast")
    ).settings(world.use_case)
    apply(world.use_case, feast)
    columns = world.use_case.event_source.column_names
    at: datetime = world.event["transaction_time"] + timedelta(days=2)
    fresh = {name: world.event[name] for name in columns} | {"transaction_id": 10**9, "transaction_time": at}
    lines = json.dumps(fresh, default=lambda value: value.isoformat()) + "\n"
    result = CliRunner().invoke(app, ["features", "stream", "card_fraud", "--stdin"], input=lines * 2)
    assert result.exit_code == 0, result.output
    assert "1 added, 1 seen before" in result.output
    asked = {name: fresh[name] for name in world.use_case.serving.request}
    later = asked | {"transaction_id": 10**9 + 1, "transaction_time": at + timedelta(minutes=1)}
    online = OnlineFeatures(world.use_case, feast)
    window = next(w for view in windowed_views(world.use_case) for w in view.windows if w.aggregate == "count")
    place = world.use_case.feature_names.index(window.feature_name(1))
    assert online.vector(later).values[place] == 2.0
