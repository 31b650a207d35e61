"""Rows without a key: a digest of what they hold, and a count, is one; the limits are said at declaration."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.testing.declare import declaration
from platform_assets_tests.unit.pipelines.file_days import MONDAY, FileDays

COLUMNS = {
    "row_id": {"type": "string", "digest_of": "row"},
    "at": "datetime",
    "items": "int32",
    "note": "string?",
    "returned": [0, 1],
}
TUESDAY = MONDAY + timedelta(days=1)


def shop(folder: Path, **source: Any) -> FileDays:
    document = declaration(events=COLUMNS, label="returned", features=["items"])
    document["serving"] = {
        "mode": "batch",
        "request": ["row_id", "at", "items", "note"],
        "decision": {"threshold": 0.5},
    }
    document["sources"][0] |= {"connector": {"kind": "files", "format": "csv", "path": "{event_day}.csv"}, **source}
    world = FileDays.of(folder, UseCase.model_validate(document))
    world.header = "at,items,note,returned"
    return world


def lines(day: Any) -> list[str]:
    return [f"{day}T09:00:00Z,1,,0", f"{day}T09:00:00Z,1,,0", f"{day}T09:00:00Z,1,x,0", f"{day}T10:00:00Z,2,,1"]


def keys(world: FileDays) -> list[str]:
    return world.catalog.events.read(None, None).sort("at", "note", "row_id", nulls_last=True)["row_id"].to_list()


def test_every_row_has_a_key_and_rows_that_are_the_same_are_counted(tmp_path: Path) -> None:
    world = shop(tmp_path)
    world.write(f"{MONDAY}.csv", lines(MONDAY))
    load = world.load_and_publish(MONDAY)
    assert (load.rows_accepted, load.rows_refused) == (4, 0)
    found = keys(world)
    assert len(set(found)) == 4
    assert [len(key) for key in found] == [24, 24, 26, 24]
    assert found[2] == f"{found[1]}-2"
    features = world.use_case.features[0]
    from platform_assets.declaration.days import DayRange

    assert compute_features(world.catalog, features, DayRange(MONDAY, MONDAY)).rows == 4


def test_the_keys_of_a_day_are_the_same_whatever_its_order_and_whichever_days_are_loaded_with_it(
    tmp_path: Path,
) -> None:
    world = shop(tmp_path)
    for day in (MONDAY, TUESDAY):
        world.write(f"{day}.csv", lines(day))
    world.load_and_publish(MONDAY, TUESDAY)
    before = keys(world)
    world.write(f"{TUESDAY}.csv", reversed(lines(TUESDAY)))
    world.load_and_publish(TUESDAY)
    assert keys(world) == before
    world.write(f"{TUESDAY}.csv", [*lines(TUESDAY)[:3], f"{TUESDAY}T10:00:00Z,3,,1"])
    world.load_and_publish(TUESDAY)
    assert len(set(keys(world)) - set(before)) == 1, "a corrected row is another row"


def test_chosen_columns_make_the_key(tmp_path: Path) -> None:
    world = shop(tmp_path)
    document = world.use_case.model_dump(mode="json", by_alias=True)
    document["sources"][0]["columns"][0]["digest_of"] = ["at", "items"]
    chosen = FileDays.of(tmp_path, UseCase.model_validate(document))
    chosen.header = world.header
    chosen.write(f"{MONDAY}.csv", lines(MONDAY))
    chosen.load_and_publish(MONDAY)
    assert sum("-" in key for key in keys(chosen)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digest_of": ["nothing"]}, "names nothing; there are at, items"),
        ({"type": "int64"}, "is int64: a digest is a string"),
        ({"expression": "items"}, "leave `from`, `value` and `expression` out"),
    ],
)
def test_a_digest_that_cannot_be_one_is_refused(change: dict[str, Any], message: str) -> None:
    document = declaration(
        events={**COLUMNS, "row_id": {**COLUMNS["row_id"], **change}}, label="returned", features=["items"]
    )
    document["serving"] |= {"mode": "batch"}
    with pytest.raises(ValidationError, match=message):
        UseCase.model_validate(document)


def test_where_such_a_key_is_not_enough_it_is_said() -> None:
    document = declaration(events=COLUMNS, label="returned", features=["items"])
    with pytest.raises(ValidationError, match="a caller cannot know: declare `mode: batch`"):
        UseCase.model_validate(document)
    apart = {name: column for name, column in COLUMNS.items() if name != "returned"}
    document = declaration(events=apart, label="returned", features=["items"])
    document["serving"] |= {"mode": "batch"}
    with pytest.raises(ValidationError, match="deliver the label with the events"):
        UseCase.model_validate(document)


def test_a_table_that_is_loaded_whole_has_such_keys_too() -> None:
    from platform_assets.connectors.row_digests import with_digests

    source = shop(Path("none")).source
    rows = pl.DataFrame({"at": [None, None], "items": [1, 1], "note": [None, None], "returned": [0, 0]})
    days = pl.Series([None, None], dtype=pl.Date)
    made = with_digests({name: rows[name] for name in rows.columns}, days, source)["row_id"]
    assert made[1] == f"{made[0]}-2"
