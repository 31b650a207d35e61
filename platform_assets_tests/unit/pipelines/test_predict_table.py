"""Any table as of any model: each part written once, a run that ends goes on, and what does not fit is told at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from platform_assets.connectors.access import NO_ACCESS
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeSchemaError
from platform_assets.lake.lake import Lake
from platform_assets.pipelines import predict_table as module
from platform_assets.pipelines.predict import PredictionError
from platform_assets.pipelines.predict_table import TablePredictions, TableToPredict, predict_table
from platform_assets.pipelines.required_days import DaysMissing
from platform_assets.pipelines.table_parts import TableUnreadable, open_table
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.errors import RegistryError
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets_tests.unit.features.histories import FIRST_DAY
from platform_assets_tests.unit.pipelines.conftest import Trained
from platform_assets_tests.unit.pipelines.test_feature_days import CASE, DAYS, World

DAY = date(2024, 5, 1)
PER_DAY = 50


class Tables:
    """A table with the model's features, and predictions of it."""

    def __init__(self, folder: Path, use_case: UseCase, trained: Trained) -> None:
        self.folder, self.use_case, self.run = folder, use_case, trained.run
        self.registry = FakeRegistry()
        tags = {**trained.version.tags, "feature_contract": feature_contract_hash(use_case)}
        self.version = self.registry.add(replace(trained.version, tags=tags), trained.run.folder)
        other = replace(self.version, version="7", tags={**tags, "feature_contract": "of another time"})
        self.registry.add(other, trained.run.folder)
        self.registry.set_alias(use_case.name, CHAMPION, self.version.version)
        self.catalog = Catalog(use_case, Lake(root=str(folder / "lake")))
        self.rows = self.made(4)

    def made(self, days: int) -> pl.DataFrame:
        chance = np.random.default_rng(0)
        n = days * PER_DAY
        columns: dict[str, Any] = {name: chance.normal(size=n) for name in self.use_case.feature_names}
        columns[self.use_case.feature_names[-1]] = [None if i % 3 else 0.5 for i in range(n)]
        return pl.DataFrame(
            {"place": np.arange(n), **columns, "day": [DAY + timedelta(days=i // PER_DAY) for i in range(n)]}
        )

    def delta(self, rows: pl.DataFrame | None = None, name: str = "source", mode: Any = "overwrite") -> str:
        address = str(self.folder / name)
        write_deltalake(address, self.rows if rows is None else rows, partition_by=["day"], mode=mode)
        return address

    def predict(self, source: str, target: str = "target", **more: Any) -> TablePredictions:
        fields = {name: more.pop(name) for name in ("version", "source_version", "keep") if name in more}
        wanted = TableToPredict(source, str(self.folder / target), **fields)
        return predict_table(self.catalog, self.registry, wanted, NO_ACCESS, **{"most_rows": 20, **more})

    def found(self, target: str = "target") -> pl.DataFrame:
        return pl.read_delta(str(self.folder / target)).sort("place")

    def expected(self, rows: pl.DataFrame) -> Any:
        X = rows.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in self.use_case.feature_names)
        return self.run.predictor().predict(np.ascontiguousarray(X.to_numpy()))


@pytest.fixture
def tables(tmp_path: Path, use_case: UseCase, first: Trained) -> Tables:
    return Tables(tmp_path, use_case, first)


def stopping_after(parts: int) -> Callable[[str], None]:
    """Progress that ends the run like a kill between two parts."""
    seen: list[str] = []

    def log(line: str) -> None:
        seen.append(line)
        if len(seen) == parts:
            raise KeyboardInterrupt

    return log


def test_each_row_is_scored_as_the_model_scores_it_and_says_by_which(tables: Tables) -> None:
    done = tables.predict(tables.delta())
    assert (done.computes_features, done.rows, done.written_rows, done.parts) == (False, 200, 200, 12)
    found = tables.found()
    np.testing.assert_array_equal(found["score"].to_numpy(), tables.expected(tables.rows))
    assert found.columns == ["place", "day", "score", "decision", "model_version", "release", "feature_contract"]
    assert set(found["model_version"]) == {tables.version.version}
    assert found["day"].to_list() == tables.rows["day"].to_list()


@pytest.mark.parametrize("parts", [1, 5, 12])
def test_a_run_that_ends_goes_on_where_it_stopped_and_writes_no_part_twice(tables: Tables, parts: int) -> None:
    source = tables.delta()
    with pytest.raises(KeyboardInterrupt):
        tables.predict(source, log=stopping_after(parts))
    again = tables.predict(source)
    assert again.written_parts <= again.parts - parts + 1, "the part that was being written may not have been"
    assert tables.found()["place"].to_list() == list(range(200))
    assert tables.predict(source).written_parts == 0
    commits = DeltaTable(str(tables.folder / "target")).history()
    assert len([commit for commit in commits if "userMetadata" in commit]) == 12, "one commit for each part"


def test_a_table_that_grew_meanwhile_is_finished_as_it_was_and_then_asks_for_another_target(tables: Tables) -> None:
    source = tables.delta()
    with pytest.raises(KeyboardInterrupt):
        tables.predict(source, log=stopping_after(3))
    tables.delta(tables.made(1).with_columns(pl.col("place") + 1000), mode="append")
    assert tables.predict(source).source.version == 0
    assert tables.found()["place"].to_list() == list(range(200))
    with pytest.raises(PredictionError, match="holds predictions of another job: source_version 0 and not 1"):
        tables.predict(source, source_version=1)
    assert tables.predict(source, "other").rows == 250


def test_parquet_files_are_read_with_the_partitions_of_their_folders(tables: Tables) -> None:
    source = tables.folder / "files"
    for (day,), rows in tables.rows.group_by("day", maintain_order=True):
        (source / f"day={day}").mkdir(parents=True)
        rows.drop("day").write_parquet(source / f"day={day}" / "part-0.parquet")
    tables.predict(str(source))
    assert tables.found()["day"].to_list() == tables.rows["day"].to_list()
    np.testing.assert_array_equal(tables.found()["score"].to_numpy(), tables.expected(tables.rows))
    tables.rows.drop("day").head(3).write_parquet(source / f"day={DAY}" / "part-0.parquet")
    with pytest.raises(PredictionError, match="another job: identity"):
        tables.predict(str(source))
    single = tables.folder / "one.parquet"
    tables.rows.write_parquet(single)
    assert tables.predict(str(single), "from_one", keep=("place",)).written_rows == 200
    assert tables.found("from_one").columns[:2] == ["place", "score"]


def test_what_lacks_or_has_another_type_is_named_all_at_once(tables: Tables) -> None:
    lacking = tables.delta(tables.rows.drop("amount", "is_night"), "lacking")
    with pytest.raises(
        PredictionError, match=r"as features it lacks amount, is_night; as events .* it lacks transaction_id"
    ):
        tables.predict(lacking)
    texts = tables.rows.with_columns(pl.col("amount").cast(pl.String), pl.lit("x").alias("is_night"))
    with pytest.raises(PredictionError, match="numbers: amount is String, is_night is String"):
        tables.predict(tables.delta(texts, "texts"))
    clashing = tables.rows.with_columns(score=1.0, at=pl.lit(datetime(2024, 1, 1)))
    with pytest.raises(PredictionError, match=r"names score; Delta would not .* at \(Datetime.*--keep"):
        tables.predict(tables.delta(clashing, "clashing"))
    with pytest.raises(PredictionError, match="it has no elsewhere"):
        tables.predict(tables.delta(), keep=("elsewhere",))


def test_an_infinite_feature_names_its_part_and_keeps_the_parts_before(tables: Tables) -> None:
    infinite = tables.rows.with_columns(amount=pl.when(pl.col("place") == 130).then(np.inf).otherwise(pl.col("amount")))
    with pytest.raises(PredictionError, match=r"part day=2024-05-03 #7: feature 'amount' is infinite in row 10 "):
        tables.predict(tables.delta(infinite))
    assert tables.found()["place"].to_list() == list(range(120))


def test_models_that_are_not_there_or_of_another_contract_are_refused(tables: Tables) -> None:
    source = tables.delta()
    with pytest.raises(RegistryError, match="99"):
        tables.predict(source, version="99")
    with pytest.raises(PredictionError, match="no version has the alias 'best'"):
        tables.predict(source, version="best")
    with pytest.raises(PredictionError, match="version 7 was trained under feature contract of another time"):
        tables.predict(source, version="7")
    assert tables.predict(source, version=tables.version.version).written_rows == 200


def test_tables_that_cannot_be_read_and_targets_of_something_else_are_told(tables: Tables) -> None:
    with pytest.raises(TableUnreadable, match="no Delta table and no Parquet file at"):
        tables.predict(str(tables.folder / "nothing"))
    with pytest.raises(TableUnreadable, match="cannot be opened"):
        tables.predict(tables.delta(), source_version=12)
    (tables.folder / "bad").mkdir()
    (tables.folder / "bad" / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(TableUnreadable, match="is no Parquet file"):
        tables.predict(str(tables.folder / "bad"))
    tables.delta(name="target")
    with pytest.raises(PredictionError, match="is a table of something else"):
        tables.predict(tables.delta())


def test_parts_are_the_same_each_time_and_none_spans_partitions(tables: Tables) -> None:
    address = tables.delta()
    tables.delta(tables.made(2).with_columns(pl.col("place") + 1000), mode="append")
    table = open_table(address, NO_ACCESS)
    parts = list(table.parts(70))
    assert parts == list(open_table(address, NO_ACCESS).parts(70))
    assert sum(part.rows for part in parts) == table.rows == 300
    assert all(len({str(file.values) for file, _, _ in part.pieces}) == 1 for part in parts)
    assert max(part.rows for part in parts) <= 70


# Tables of events.


class Events:
    """Published payments up to a day, a model of their features, and a table of later payments."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.folder = World(folder / "lake", CASE), folder
        for day in DAYS[:-2]:
            self.world.publish(day)
            self.world.write("labels", self.world.labels, day)
        names = CASE.feature_names

        def answer(X: Any) -> Any:
            return np.nan_to_num(X).sum(axis=1)

        predictor = SimpleNamespace(features=names, classes=CASE.classes, predict=answer)
        monkeypatch.setattr(module, "registered_run", lambda *_: SimpleNamespace(predictor=lambda: predictor))
        version = SimpleNamespace(version="1", tags={"feature_contract": feature_contract_hash(CASE)})
        self.registry: Any = SimpleNamespace(by_alias=lambda *_: version)
        self.catalog = Catalog(CASE, self.world.lake)
        later = self.world.events.filter(pl.col("event_day") >= DAYS[-2])
        self.rows = later.drop("event_day").with_columns(teller=pl.lit("north"))

    def predict(self, rows: pl.DataFrame, target: str = "target", **more: Any) -> TablePredictions:
        source = self.folder / f"{target}.parquet"
        if not source.exists():
            rows.write_parquet(source)
        wanted = TableToPredict(str(source), str(self.folder / target))
        return predict_table(self.catalog, self.registry, wanted, NO_ACCESS, **more)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Events:
    return Events(tmp_path, monkeypatch)


def test_events_get_the_features_of_the_offline_kernel_as_known(events: Events) -> None:
    done = events.predict(events.rows)
    assert (done.computes_features, done.parts, done.written_rows) == (True, 2, events.rows.height)
    expected = {}
    for day in DAYS[-2:]:
        views = [events.world.expected(view, day, day) for view in CASE.features]
        matrix = np.hstack(
            [view.select(v.feature_names).to_numpy() for view, v in zip(views, CASE.features, strict=True)]
        )
        expected |= dict(zip(views[0]["payment_id"], np.nan_to_num(matrix).sum(axis=1), strict=True))
    found = pl.read_delta(str(events.folder / "target"))
    assert set(found["teller"]) == {"north"}
    scores = dict(found.select("payment_id", "score").iter_rows())
    assert scores.keys() == expected.keys()
    for key, score in scores.items():
        assert score == pytest.approx(expected[key], rel=1e-12, abs=1e-9)


def test_a_run_over_events_goes_on_with_the_next_day(events: Events) -> None:
    with pytest.raises(KeyboardInterrupt):
        events.predict(events.rows, log=stopping_after(2))
    events.predict(events.rows)
    found = pl.read_delta(str(events.folder / "target"))
    assert sorted(found["payment_id"]) == sorted(events.rows["payment_id"])


def test_days_that_features_look_back_at_have_to_be_published(events: Events) -> None:
    later = events.rows.with_columns(pl.col("paid_at") + timedelta(days=3))
    with pytest.raises(DaysMissing, match="clean/payments"):
        events.predict(later, "later")


def test_events_that_no_request_could_carry_are_named_all_at_once(events: Events) -> None:
    first = pl.int_range(pl.len()) == 0
    day = events.rows.filter(pl.col("paid_at").dt.date() == DAYS[-2])
    bad = day.with_columns(
        card_id=pl.when(first).then(None).otherwise(pl.col("card_id")),
        amount=pl.when(first).then(np.inf).otherwise(pl.col("amount")),
        payment_id=pl.when(pl.int_range(pl.len()) < 2).then(7).otherwise(pl.col("payment_id")),
    )
    with pytest.raises(
        TableUnreadable, match=r"card_id is null in 1 rows; amount is infinite .* 1 rows; payment_id comes again in 1"
    ):
        events.predict(bad)
    with pytest.raises(LakeSchemaError, match="shop_id"):
        events.predict(day.with_columns(pl.col("shop_id").cast(pl.String)), "typed")
    naive = day.with_columns(pl.col("paid_at").dt.replace_time_zone(None))
    with pytest.raises(TableUnreadable, match="has to be a time with its zone"):
        events.predict(naive.drop("teller"), "naive")
    before = day.with_columns(paid_at=pl.lit(datetime(FIRST_DAY.year - 1, 1, 1, tzinfo=UTC)))
    with pytest.raises(TableUnreadable, match=f"{day.height} lie before {CASE.history.first_day}"):
        events.predict(before, "before")
