"""Feast's own tools on a use case: what can be listed, found and asked for, with the platform's values to the bit."""

from __future__ import annotations

import json
from contextlib import chdir
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from platform_assets.declaration import UseCase
from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.feast_repository.folder import feature_store, settings_of
from platform_assets.features.feast_repository.views import write_repository
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.offline.training_set import join_views
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.feast_objects import windowed_views
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.features.online.store import apply
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.testing.payments import FIRST_DAY, LAST_DAY
from platform_assets_tests.unit.features.both_paths import write_states
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, MIDNIGHT, use_case

CARDS, EVENTS = 7, 120
BUSY = 3000
"""Events of one card: more than a state holds in itself, so that its pages are read as well."""


@dataclass(frozen=True)
class World:
    """A filled online store, feature tables, and the folder that Feast is started in."""

    use_case: UseCase
    settings: FeastSettings
    catalog: Catalog
    events: pl.DataFrame
    folder: Path

    @property
    def store(self) -> Any:
        from feast import FeatureStore

        return FeatureStore(repo_path=str(self.folder))

    def rows(self, count: int) -> list[dict[str, Any]]:
        """Requests that nobody has made yet, minutes after the state, times as text."""
        rng = np.random.default_rng(1)
        after = MIDNIGHT + timedelta(days=(LAST_DAY - FIRST_DAY).days + 1)
        return [
            {
                "payment_id": 10_000 + number,
                "paid_at": (after + timedelta(minutes=number, microseconds=123_456)).isoformat(),
                "card_id": int(rng.integers(0, CARDS)),
                "shop_id": int(rng.integers(0, CARDS)),
                "amount": float(rng.random()),
            }
            for number in range(count)
        ]


def payments(case: UseCase) -> pl.DataFrame:
    """Events of a few cards over the history, one of them busy."""
    rng = np.random.default_rng(0)
    span = (LAST_DAY - FIRST_DAY).days * 86_400_000_000
    rows = []
    for key in range(EVENTS + BUSY):
        time = MIDNIGHT + timedelta(microseconds=int(rng.integers(0, span)))
        card = 0 if key >= EVENTS else int(rng.integers(0, CARDS))
        label = int(rng.random() < 0.3) if time.date() <= LAST_DAY - timedelta(days=case.label_delay_days) else None
        rows.append((key, time, card, int(rng.integers(0, CARDS)), float(rng.random()), time.date(), label))
    return pl.DataFrame(rows, schema={**EVENT_SCHEMA, case.label.column: pl.Int8}, orient="row").sort("paid_at")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home, case = tmp_path_factory.mktemp("feast"), use_case()
    made = FeastSettings(
        project="payments",
        registry=f"sqlite:///{home / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(home),
    )
    apply(case, made)
    events = payments(case)
    write_states(made, events, case, MIDNIGHT + timedelta(days=(LAST_DAY - FIRST_DAY).days + 1))
    catalog = Catalog(case, Lake(str(home / "lake")))
    for view in case.features:
        frame = compute_view(view, case, events, FIRST_DAY, LAST_DAY)
        catalog.features(view).write_partitions(frame, FIRST_DAY, LAST_DAY)
    return World(case, made, catalog, events, write_repository(case, made, catalog.lake.root))


def feast_says(world: World, *words: str) -> str:
    from feast.cli.cli import cli

    with chdir(Path.cwd()):  # `feast apply` leaves this process in its own folder
        result = CliRunner().invoke(cli, ["-c", str(world.folder), *words])
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.output)


def test_every_feature_is_listed_and_described_by_feast(world: World) -> None:
    listed = feast_says(world, "features", "list")
    for view in world.use_case.features:
        assert view.name in feast_says(world, "feature-views", "list")
        for name in view.feature_names:
            assert any(line.split()[:2] == [name, view.name] for line in listed.splitlines()), name
    view = world.use_case.features[0]
    assert view.feature_names[0] in feast_says(world, "on-demand-feature-views", "describe", view.name)
    for entity in world.use_case.entities:
        assert entity.name in feast_says(world, "entities", "list")
    assert world.use_case.name in feast_says(world, "feature-services", "list")


def test_online_values_are_the_service_s_to_the_bit(world: World) -> None:
    """Of cards with few events, of a busy one, and of microseconds that Feast's own times do not have."""
    rows = world.rows(30)
    answer = world.store.get_online_features(world.store.get_feature_service(world.use_case.name), rows).to_dict()
    features = OnlineFeatures(world.use_case, world.settings)
    events = [{**row, "paid_at": datetime.fromisoformat(row["paid_at"])} for row in rows]
    ours = np.array([features.vector(event).values for event in events])
    theirs = [[np.nan if value is None else value for value in answer[name]] for name in world.use_case.feature_names]
    np.testing.assert_array_equal(np.array(theirs).T, ours)
    assert np.isfinite(ours).mean() > 0.5
    counts = [name for view in windowed_views(world.use_case) for name in view.feature_names if "count" in name]
    assert max(max(answer[name]) for name in counts) > 256, "the busy card's pages were read"


def test_some_features_are_asked_for_by_name(world: World) -> None:
    view = windowed_views(world.use_case)[0]
    wanted = [f"{view.name}:{name}" for name in view.feature_names[:2]]
    answer = world.store.get_online_features(wanted, world.rows(3)).to_dict()
    assert set(view.feature_names[:2]) <= set(answer)


def test_a_time_that_feast_would_cut_is_refused(world: World) -> None:
    row = {**world.rows(1)[0], "paid_at": datetime.fromisoformat(world.rows(1)[0]["paid_at"])}
    with pytest.raises(FeatureError, match="give it as text"):
        world.store.get_online_features(world.store.get_feature_service(world.use_case.name), [row]).to_dict()


def test_historical_values_are_the_training_set_s_to_the_bit_and_no_row_is_lost(world: World) -> None:
    """Also of rows that are given twice, and of two events with the same card and time."""
    chosen = pl.concat([world.events.tail(200), world.events.tail(3)])
    rows = chosen.select(world.use_case.serving.request).to_pandas()
    rows["event_timestamp"] = rows["paid_at"]
    service = world.store.get_feature_service(world.use_case.name)
    found = world.store.get_historical_features(entity_df=rows, features=service).to_df()
    tables = {view.name: world.catalog.features(view).scan() for view in world.use_case.features}
    joined = join_views(chosen.select("payment_id").unique(), tables, world.use_case, FIRST_DAY, LAST_DAY)
    ours = chosen.select("payment_id").join(joined, on="payment_id", how="left", maintain_order="left")
    names = list(world.use_case.feature_names)
    assert found["payment_id"].tolist() == chosen["payment_id"].to_list()
    expected = ours.select(pl.col(names).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    np.testing.assert_array_equal(found[names].to_numpy(), expected)
    view = world.use_case.features[0]
    full = world.store.get_historical_features(
        entity_df=rows.head(2), features=[f"{view.name}:{view.feature_names[0]}"], full_feature_names=True
    ).to_df()
    assert full.columns[-1] == f"{view.name}__{view.feature_names[0]}"


def test_an_event_that_is_in_no_table_is_named(world: World) -> None:
    rows = world.events.select(world.use_case.serving.request).tail(2).to_pandas()
    rows["event_timestamp"] = rows["paid_at"]
    rows.loc[0, "payment_id"] = 999_999
    service = world.store.get_feature_service(world.use_case.name)
    with pytest.raises(PointInTimeError, match="999999"):
        world.store.get_historical_features(entity_df=rows, features=service).to_df()
    with pytest.raises(FeatureError, match="payment_id"):
        _without_key(world, rows)


def _without_key(world: World, rows: Any) -> None:
    """What the store says itself; Feast's own check of request columns comes before it."""
    from feast.repo_config import load_repo_config

    from platform_assets.features.feast_repository.offline_store import LakeOfflineStore

    config = load_repo_config(world.folder, world.folder / "feature_store.yaml")
    LakeOfflineStore.get_historical_features(config, [], [], rows.drop(columns="payment_id"), None, "payments")


def test_apply_by_hand_changes_and_removes_nothing(world: World) -> None:
    """The folder names what is registered: Feast takes everything away that a folder does not name."""
    before = feast_says(world, "feature-views", "list")
    assert "No changes to registry" in feast_says(world, "apply")
    assert feast_says(world, "feature-views", "list") == before
    OnlineFeatures(world.use_case, world.settings).warm_up()


def test_what_is_up_to_date_is_left_alone_and_what_moved_says_so(world: World) -> None:
    written = {path: path.stat().st_mtime_ns for path in world.folder.iterdir() if path.is_file()}
    assert write_repository(world.use_case, world.settings, world.catalog.lake.root) == world.folder
    assert {path: path.stat().st_mtime_ns for path in world.folder.iterdir() if path.is_file()} == written
    from platform_assets.features.feast_repository.computed import feature_values

    with pytest.raises(FeatureError, match="features feast"):
        feature_values(str(world.folder / "elsewhere"), world.use_case.features[0].name, {})


def test_no_password_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = FeastSettings(
        project="payments",
        registry="postgresql+psycopg://feast:s3cret@host/feast",
        online_store={"type": "redis", "connection_string": "host:6379,password=s3cret"},
        home=str(tmp_path),
    )
    configuration = feature_store(settings, tmp_path, "s3://bucket/lake")
    assert "s3cret" not in json.dumps(configuration)
    assert configuration["registry"]["path"] == "${PLATFORM_ASSETS_FEAST_REGISTRY}"
    assert configuration["online_store"] == "${PLATFORM_ASSETS_FEAST_ONLINE_STORE}"
    assert configuration["offline_store"]["lake"] == "s3://bucket/lake"
    named = "${PLATFORM_ASSETS_FEAST_ONLINE_STORE}"
    (tmp_path / "feature_store.yaml").write_text(json.dumps(configuration).replace(f'"{named}"', named))
    monkeypatch.setenv("PLATFORM_ASSETS_FEAST_ONLINE_STORE", json.dumps(settings.online_store))
    monkeypatch.delenv("PLATFORM_ASSETS_FEAST_REGISTRY", raising=False)
    with pytest.raises(FeatureError, match="PLATFORM_ASSETS_FEAST_REGISTRY"):
        settings_of(tmp_path)
    monkeypatch.setenv("PLATFORM_ASSETS_FEAST_REGISTRY", settings.registry)
    read = settings_of(tmp_path)
    assert read.registry == settings.registry
    assert read.online_store["connection_string"] == "host:6379,password=s3cret"
