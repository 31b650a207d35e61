"""What every kind of connector promises, asked of each of them, the test-only one included."""

import copy
import json
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import dagster as dg
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from platform_assets.connectors.access import NO_ACCESS
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.checking import check_source
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.control_totals import control_totals
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.reading import read_changes, read_source
from platform_assets.connectors.registry import reader_of
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import DeclarationError, Source, UseCase, load_use_case
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELETE,
    DELIVERED_DAY,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UPSERT,
)
from platform_assets.declaration.delivered_columns import row_positions as positions
from platform_assets.declaration.sections.connectors.registry import CONNECTORS
from platform_assets.declaration.template import use_case_template
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.testing.servers import kafka, s3
from platform_assets_tests.contracts.connector_worlds import (
    COLUMNS,
    DAYS,
    FIRST,
    LAST,
    OF_CHANGES,
    OF_DAYS,
    Streams,
    World,
)
from platform_assets_tests.contracts.members.iceberg import IcebergConnector

NOW = datetime(2024, 3, 3, tzinfo=UTC)
WHAT_TO_DO = re.compile(r"\b(correct|set|put|check|deliver|have|give|declare|load|read|take)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Streams]:
    with kafka() as brokers, s3() as aws:
        yield Streams(brokers, aws)


@pytest.fixture(autouse=True)
def with_the_test_only_member() -> Iterator[None]:
    with CONNECTORS.with_member("iceberg", IcebergConnector):
        yield


@pytest.fixture(params=OF_DAYS, ids=lambda make: make.__name__)
def days(request: pytest.FixtureRequest, tmp_path: Path, cluster: Streams) -> World:
    """A source that is asked for event days."""
    return request.param(tmp_path, cluster)  # type: ignore[no-any-return]


@pytest.fixture(params=OF_CHANGES, ids=lambda make: make.__name__)
def changes(request: pytest.FixtureRequest, tmp_path: Path, cluster: Streams) -> World:
    """A source that is asked what is new."""
    return request.param(tmp_path, cluster)  # type: ignore[no-any-return]


def keys_of(rows: pl.DataFrame, source: Source) -> list[int]:
    """The keys of rows as found, in the order in which they came."""
    return conform(rows, source).frame[source.primary_key[0]].to_list()


def must_help(error: pytest.ExceptionInfo[SourceError], source: Source) -> None:
    """An error names the source and says what to do."""
    assert f"source '{source.name}'" in str(error.value)
    assert WHAT_TO_DO.search(str(error.value)), str(error.value)


# Event days.


def read(world: World, first: Any = FIRST, last: Any = LAST) -> pl.DataFrame:
    return read_source(world.source, world.folder, first, last, access=world.access)


def test_rows_come_with_their_position_their_day_and_no_problem(days: World) -> None:
    rows = read(days)
    assert rows.schema[SOURCE_POSITION] == pl.String
    assert rows.schema[DELIVERED_DAY] == pl.Date
    assert rows.schema[SOURCE_PROBLEM] == pl.String
    assert rows[SOURCE_PROBLEM].null_count() == rows.height
    assert rows[DELIVERED_DAY].is_between(FIRST, LAST).all()
    assert positions(rows).n_unique() == rows.height
    assert positions(rows).null_count() == 0


def test_each_row_is_read_once_however_the_days_are_asked_for(days: World) -> None:
    assert sorted(keys_of(read(days), days.source)) == sorted(key for keys in days.keys.values() for key in keys)
    for day, keys in days.keys.items():
        rows = read(days, day, day)
        assert sorted(keys_of(rows, days.source)) == sorted(keys)
        assert rows[DELIVERED_DAY].unique().to_list() == [day]


def test_asking_for_days_twice_gives_the_same_rows(days: World) -> None:
    assert_frame_equal(read(days), read(days))


def test_an_installation_reads_the_same_rows(days: World) -> None:
    reader = SourceReader(access=lambda: days.access)
    assert_frame_equal(reader.read(days.source, days.folder, FIRST, LAST, []), read(days))


def test_control_totals_count_what_is_read_where_there_are_any(days: World) -> None:
    totals = control_totals(days.source, days.folder, FIRST, LAST, access=days.access)
    for day, counted in totals.items():
        assert day is not None
        assert counted.rows == len(days.keys[day])


def test_days_of_a_source_that_is_not_there_are_refused_with_what_to_do(days: World) -> None:
    source, access = days.lost
    with pytest.raises(SourceError) as error:
        read_source(source, days.folder, FIRST, LAST, access=access)
    must_help(error, source)


def test_a_source_of_days_has_no_cursor(days: World) -> None:
    with pytest.raises(SourceError, match="is not incremental") as error:
        read_changes(days.source, days.folder, None, max_rows=10, access=days.access)
    must_help(error, days.source)


def test_a_range_without_an_end_is_refused(days: World) -> None:
    with pytest.raises(SourceError, match="first_day and last_day"):
        read_source(days.source, days.folder, FIRST, None, access=days.access)


# What is new.


def follow(world: World, cursor: str | None = None, max_rows: int = 1000) -> ChangeBatch:
    return read_changes(world.source, world.folder, cursor, max_rows=max_rows, access=world.access)


def everything(world: World, cursor: str | None, max_rows: int) -> tuple[list[pl.DataFrame], str]:
    """All batches from a cursor on, and the cursor after them."""
    batches: list[pl.DataFrame] = []
    for _ in range(100):
        batch = follow(world, cursor, max_rows)
        assert batch.frame.height or not batch.more, "more was promised, and nothing came"
        batches.append(batch.frame)
        cursor = batch.cursor
        if not batch.more:
            return batches, cursor
    raise AssertionError("the source never ends")


def test_changes_come_with_what_they_do_and_their_order(changes: World) -> None:
    rows = follow(changes).frame
    assert rows.schema[SOURCE_POSITION] == pl.String
    assert rows.schema[DELIVERED_DAY] == pl.Date
    assert rows.schema[SOURCE_PROBLEM] == pl.String
    assert rows.schema[CHANGE_OPERATION] == pl.String
    assert rows.schema[CHANGE_SEQUENCE] == pl.Int64
    assert rows[DELIVERED_DAY].null_count() == rows.height
    assert set(rows[CHANGE_OPERATION]) <= {UPSERT, DELETE}
    assert rows[CHANGE_SEQUENCE].null_count() == 0
    assert rows[SOURCE_PROBLEM].null_count() == rows.height
    assert positions(rows).n_unique() == rows.height


@pytest.mark.parametrize("max_rows", [1, 2, 1000])
def test_each_change_is_read_once_in_pieces_of_any_size(changes: World, max_rows: int) -> None:
    batches, cursor = everything(changes, None, max_rows)
    keys = [key for batch in batches for key in keys_of(batch, changes.source)]
    assert sorted(keys) == sorted(key for keys in changes.keys.values() for key in keys)
    again = follow(changes, cursor)
    assert (again.frame.height, again.cursor, again.more) == (0, cursor, False)


def test_the_same_cursor_gives_the_same_changes(changes: World) -> None:
    first, second = follow(changes, None, 2), follow(changes, None, 2)
    assert_frame_equal(first.frame, second.frame)
    assert (first.cursor, first.more) == (second.cursor, second.more)
    assert_frame_equal(follow(changes, first.cursor).frame, follow(changes, first.cursor).frame)


def test_later_changes_are_newer_and_come_alone(changes: World) -> None:
    assert changes.deliver is not None
    batches, cursor = everything(changes, None, 1000)
    before = pl.concat([conform(batch, changes.source).frame for batch in batches])
    changes.deliver([1, 6])
    later, _ = everything(changes, cursor, 1000)
    rows = pl.concat([conform(batch, changes.source).frame for batch in later])
    assert sorted(rows["ride_id"]) == [1, 6]
    sequence = [frame.filter(pl.col("ride_id") == 1)[CHANGE_SEQUENCE].max() for frame in (before, rows)]
    assert sequence[0] < sequence[1]  # type: ignore[operator]


def test_a_cursor_is_json_that_a_home_can_keep(changes: World) -> None:
    assert json.loads(follow(changes).cursor)
    batches, _ = everything(changes, changes.stored_cursor, 1000)
    assert sum(batch.height for batch in batches) == sum(map(len, changes.keys.values()))


def test_the_cursor_of_another_kind_of_source_is_refused(changes: World) -> None:
    with pytest.raises(SourceError, match="cursor") as error:
        follow(changes, '{"somebody": "else"}')
    must_help(error, changes.source)


def test_an_installation_follows_the_same_changes(changes: World) -> None:
    batch = SourceReader(access=lambda: changes.access).read_changes(changes.source, changes.folder, None, 1000)
    assert_frame_equal(batch.frame, follow(changes).frame)


def test_changes_of_a_source_that_is_not_there_are_refused_with_what_to_do(changes: World) -> None:
    source, access = changes.lost
    with pytest.raises(SourceError) as error:
        read_changes(source, changes.folder, None, max_rows=10, access=access)
    must_help(error, source)


def test_an_incremental_source_has_no_event_days(changes: World) -> None:
    with pytest.raises(SourceError, match="is incremental") as error:
        read(changes)
    must_help(error, changes.source)


# Both.


@pytest.fixture(params=(*OF_DAYS, *OF_CHANGES), ids=lambda make: make.__name__)
def world(request: pytest.FixtureRequest, tmp_path: Path, cluster: Streams) -> World:
    """A source of any kind."""
    return request.param(tmp_path, cluster)  # type: ignore[no-any-return]


def test_a_look_finds_the_declared_columns(world: World) -> None:
    state = check_source(world.source, world.folder, FIRST, None, world.access, NOW)
    assert state.problems == ()
    assert state.is_reachable
    assert state.columns_found == len(world.source.columns)
    assert state.newest_event is not None
    assert world.keys.keys() >= {state.newest_event.date()}


def test_a_look_at_a_source_that_is_not_there_says_so(world: World) -> None:
    source, access = world.lost
    state = check_source(source, world.folder, FIRST, None, access, NOW)
    assert not state.is_reachable
    assert not state.is_usable


def test_a_declaration_comes_back_as_it_was(world: World) -> None:
    source = world.source
    assert Source.model_validate(source.model_dump()) == source
    assert Source.model_validate_json(source.model_dump_json()) == source
    assert pickle.loads(pickle.dumps(source)) == source == copy.deepcopy(source)
    assert source.model_dump()["connector"]["kind"] == source.connector.kind


def test_a_field_that_the_kind_does_not_have_is_refused(world: World) -> None:
    declared = world.source.model_dump()
    declared["connector"]["surprise"] = 1
    with pytest.raises(ValueError, match=rf"connector\.{world.source.connector.kind}\.surprise\n  Extra inputs"):
        Source.model_validate(declared)


# The list.


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "files": ({"format": "csv", "path": "gs://bucket/in"}, "connector.path"),
    "sql": ({"url": "DATABASE"}, "connector.table"),
    "delta": ({"uri": "theirs", "incremental": True}, "connector.incremental"),
    "change_feed": ({"topic": "rides"}, "connector.brokers"),
    "kafka": ({"topic": "rides", "brokers": "BROKERS"}, "connector.kind"),
    "kinesis": ({"stream": "rides", "epoch_unit": {"price": "seconds"}}, "connector.epoch_unit"),
    "simulator": ({"settings": {}}, "connector.generator"),
    "iceberg": ({"path": "s3://bucket/lake"}, "connector.path"),
}
"""What is wrong with a declaration of a source without an event time, by kind, and the field that is to blame."""


def declared(tmp_path: Path, connector: dict[str, Any], event_time: str | None = "started_at") -> Path:
    """A use case whose first source has the connector and holds rides."""
    document = yaml.safe_load(use_case_template("churn"))
    attributes = document["attributes"]
    rides = {"name": "rides", "description": "One ride.", "columns": COLUMNS, "primary_key": ["ride_id"]}
    attributes["sources"] = [{**rides, "event_time": event_time, "connector": connector}, *attributes["sources"]]
    path = tmp_path / "defs.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_every_kind_stands_in_this_suite(tmp_path: Path, cluster: Streams) -> None:
    covered = set()
    for make in (*OF_DAYS, *OF_CHANGES):
        folder = tmp_path / make.__name__
        folder.mkdir()
        covered.add(make(folder, cluster).source.connector.kind)
    assert covered == set(CONNECTORS) == set(MISTAKES)


@pytest.mark.parametrize("kind", sorted(MISTAKES))
def test_a_kind_is_named_as_in_the_list_and_has_a_reader(kind: str) -> None:
    model = CONNECTORS[kind]
    assert get_args(model.model_fields["kind"].annotation) == (kind,)
    fields = {"name": "rides", "description": "", "primary_key": ["a"]}
    column = {"name": "a", "type": "int64", "description": ""}
    source = Source.model_validate(
        {**fields, "columns": [column], "connector": {"kind": "files", "format": "csv", "path": "x"}}
    )
    reader = reader_of(source.model_copy(update={"connector": model.model_construct(kind=kind)}))
    for question in ("inspect", "read_days", "read_changes", "control_totals"):
        assert callable(getattr(reader, question))


@pytest.mark.parametrize("kind", sorted(MISTAKES))
def test_what_does_not_fit_together_is_reported_with_its_field_and_line(kind: str, tmp_path: Path) -> None:
    fields, field = MISTAKES[kind]
    path = declared(tmp_path, {"kind": kind, **fields}, event_time=None)
    with pytest.raises(DeclarationError) as error:
        load_use_case(path)
    assert re.search(rf"defs\.yaml:\d+: sources\.0\.{re.escape(field)}: ", str(error.value)), str(error.value)


@pytest.mark.parametrize("kind", sorted(MISTAKES))
def test_the_schema_of_the_declaration_knows_the_kind(kind: str) -> None:
    definitions = UseCase.model_json_schema()["$defs"]
    model = CONNECTORS[kind].__name__
    assert definitions["Source"]["properties"]["connector"]["discriminator"]["mapping"][kind] == f"#/$defs/{model}"
    assert definitions[model]["additionalProperties"] is False


def test_an_unknown_kind_is_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(
        DeclarationError, match=r"sources\.0\.connector\.kind: 'oracle'.*known: simulator, files, .*iceberg"
    ):
        load_use_case(declared(tmp_path, {"kind": "oracle"}))


def test_the_test_only_kind_is_a_use_case_like_any_other(tmp_path: Path, cluster: Streams) -> None:
    made = OF_DAYS[-1](tmp_path, cluster)
    use_case = load_use_case(declared(tmp_path, {"kind": "iceberg", "path": "lake"}))
    assert isinstance(use_case.source("rides").connector, IcebergConnector)
    rows = SourceReader(access=lambda: NO_ACCESS).read(use_case.source("rides"), tmp_path, FIRST, LAST, [])
    assert keys_of(rows, made.source) == [key for keys in DAYS.values() for key in keys]
    keys = {
        key
        for asset in build_assets(use_case, tmp_path)
        if isinstance(asset, dg.AssetsDefinition)
        for key in asset.keys
    }
    assert dg.AssetKey(["churn", "raw", "rides"]) in keys
