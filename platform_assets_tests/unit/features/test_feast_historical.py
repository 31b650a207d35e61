"""Feast's historical retrieval beside our join, on the same tables: where it is right they agree, where it is not we say so."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.features.offline.as_of import as_of_join
from platform_assets.testing.set_difference import SetDifference, set_difference

START = datetime(2024, 3, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
TIMES = {"row_time": "event_timestamp", "table_time": "event_timestamp"}


def hours(*numbers: float) -> list[datetime]:
    return [START + timedelta(hours=number) for number in numbers]


LIMITS = pl.DataFrame(
    {
        "card_id": [1, 1, 1, 2, 2],
        "event_timestamp": hours(0, 24, 48, 0, 30),
        "created": hours(0, 24, 200, 0, 30),
        "limit": [100.0, 200.0, 999.0, 50.0, 60.0],
    },
    schema_overrides={"event_timestamp": TIME, "created": TIME},
)
"""The third row is of hour 48, and was written in hour 200: before that nobody knew it."""


class FeastWorld:
    """A Feast project as its quick start makes one: local files, the default offline store."""

    def __init__(self, folder: Path) -> None:
        from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
        from feast.types import Float64

        path = folder / "limits.parquet"
        LIMITS.write_parquet(path)
        config = RepoConfig(
            project="payments",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
        )
        self.store: Any = FeatureStore(config=config)
        card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.INT64)
        source = FileSource(path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created")
        self.store.apply(
            [
                card,
                FeatureView(name="limits", entities=[card], schema=[Field(name="limit", dtype=Float64)], source=source),
            ]
        )

    def retrieve(self, rows: pl.DataFrame, **options: Any) -> pl.DataFrame:
        job = self.store.get_historical_features(entity_df=rows.to_pandas(), features=["limits:limit"], **options)
        return pl.from_pandas(job.to_df()).with_columns(pl.col("event_timestamp").cast(TIME))


@pytest.fixture(scope="module")
def feast(tmp_path_factory: pytest.TempPathFactory) -> FeastWorld:
    return FeastWorld(tmp_path_factory.mktemp("historical"))


def asked(cards: list[int], *at: float, **more: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {"card_id": cards, "event_timestamp": hours(*at), **more}, schema_overrides={"event_timestamp": TIME}
    )


def ours(rows: pl.DataFrame, *, as_known: bool) -> pl.DataFrame:
    table = LIMITS if as_known else LIMITS.drop("created")
    return as_of_join(rows, table, by="card_id", known_at="created" if as_known else None, **TIMES)


def difference(rows: pl.DataFrame, found: pl.DataFrame, *, as_known: bool) -> SetDifference:
    return set_difference(ours(rows, as_known=as_known), found, on=["card_id", "event_timestamp"], values=["limit"])


def test_where_every_row_is_another_and_nothing_came_late_they_agree(feast: FeastWorld) -> None:
    rows = asked([1, 1, 2, 2], 10, 30, 10, 47)
    told = difference(rows, feast.retrieve(rows), as_known=True)
    assert (told.equal, str(told)) == (True, "all 4 rows are the same")


def test_rows_with_one_key_and_time_are_merged_by_feast_and_kept_by_us(feast: FeastWorld) -> None:
    """Two payments of a card in one second, one of them fraud: Feast hands back one of them."""
    rows = asked([1, 1, 2, 2], 10, 10, 10, 20, is_fraud=[0, 1, 0, 0])
    found = feast.retrieve(rows)
    assert found.height == 3
    told = difference(rows, found, as_known=True)
    assert (told.lost, told.added, told.changed) == (1, 0, {})
    assert "1 of 4 label rows are lost" in str(told)
    assert ours(rows, as_known=True).select("card_id", "event_timestamp", "is_fraud").equals(rows)


def test_a_value_written_later_leaks_into_feasts_past_and_not_into_ours(feast: FeastWorld) -> None:
    rows = asked([1, 2], 60, 60)
    leaked = feast.retrieve(rows)
    assert leaked.filter(card_id=1)["limit"].to_list() == [999.0], "the value of hour 200, in hour 60"
    told = difference(rows, leaked, as_known=True)
    assert (told.lost, told.changed) == (0, {"limit": 1})
    assert told.examples["limit"] == [{"card_id": 1, "event_timestamp": hours(60)[0], "ours": 200.0, "theirs": 999.0}]
    assert "1 values of limit differ" in str(told)
    assert difference(rows, leaked, as_known=False).equal, "without times of knowledge we would be as wrong"


def test_asked_for_it_feast_filters_by_creation_time_too(feast: FeastWorld) -> None:
    rows = asked([1, 1, 2], 60, 201, 60)
    found = feast.retrieve(rows, filter_by_created_timestamp=True)
    assert difference(rows, found, as_known=True).equal
