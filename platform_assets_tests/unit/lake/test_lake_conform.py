"""Which frames fit a declared schema, and which declarations fit Delta."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.lake.conform import conform
from platform_assets.lake.errors import LakeSchemaError
from platform_assets.lake.table import LakeTable

NOON = datetime(2018, 4, 1, 12, tzinfo=UTC)


def one(dtype: pl.DataType | type[pl.DataType]) -> pl.Schema:
    return pl.Schema({"x": dtype})


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        (pl.Series([0, 1, None], dtype=pl.UInt64), pl.Int8()),
        (pl.Series([1, 2**53], dtype=pl.Int64), pl.Float64()),
        (pl.Series([1.5, float("nan"), None], dtype=pl.Float32), pl.Float64()),
        (pl.Series([1.5, float("nan"), float("-inf")], dtype=pl.Float64), pl.Float32()),
        (pl.Series([None, None]), pl.String()),
        (pl.Series([None, None]), pl.Datetime("us", "UTC")),
        (pl.Series(["a", None, "a"], dtype=pl.Categorical), pl.String()),
        (pl.Series([NOON.astimezone(ZoneInfo("Asia/Tokyo"))]), pl.Datetime("us", "UTC")),
        (pl.Series([NOON], dtype=pl.Datetime("ns", "UTC")), pl.Datetime("us", "UTC")),
        (pl.Series([[1, 2], [], None], dtype=pl.List(pl.Int64)), pl.List(pl.Int8)),
        (pl.Series([[], None], dtype=pl.List(pl.Null)), pl.List(pl.Float64)),
        (pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2)), pl.List(pl.Float32)),
    ],
)
def test_casts_that_lose_nothing_are_made(column: pl.Series, declared: pl.DataType) -> None:
    fitted = conform(pl.DataFrame({"x": column}), one(declared), table="t")["x"]
    assert fitted.dtype == declared
    assert fitted.null_count() == column.null_count()
    assert fitted.to_list().__repr__() == column.cast(declared).to_list().__repr__()


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        (pl.Series([1, 300]), pl.Int8()),
        (pl.Series([2**53 + 1]), pl.Float64()),
        (pl.Series([0.1]), pl.Float32()),
        (pl.Series([1.0]), pl.Int64()),
        (pl.Series([True]), pl.Int8()),
        (pl.Series(["1"]), pl.Int64()),
        (pl.Series([1]), pl.String()),
        (pl.Series([NOON.replace(tzinfo=None)]), pl.Datetime("us", "UTC")),
        (pl.Series([NOON]), pl.Date()),
        (pl.Series([1], dtype=pl.Datetime("ns", "UTC")), pl.Datetime("us", "UTC")),
        (pl.Series([[1, 300]]), pl.List(pl.Int8)),
        (pl.Series([["a"]]), pl.List(pl.Float64)),
    ],
)
def test_anything_else_is_refused_with_both_types(column: pl.Series, declared: pl.DataType) -> None:
    with pytest.raises(LakeSchemaError) as refused:
        conform(pl.DataFrame({"x": column}), one(declared), table="lake/raw/t")
    (problem,) = refused.value.problems
    assert problem.column == "x"
    assert problem.expected == str(declared)
    assert problem.actual.startswith(str(column.dtype))
    assert "lake/raw/t" in str(refused.value)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1, max_size=20), st.data())
def test_integers_fit_exactly_when_each_is_in_range(values: list[int | None], data: st.DataObject) -> None:
    bits = data.draw(st.sampled_from([8, 16, 32, 64]))
    declared = {8: pl.Int8(), 16: pl.Int16(), 32: pl.Int32(), 64: pl.Int64()}[bits]
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.Int64)})
    outside = sum(value is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) for value in values)
    if outside:
        with pytest.raises(LakeSchemaError, match=f"{outside} values"):
            conform(frame, one(declared), table="t")
    else:
        assert conform(frame, one(declared), table="t")["x"].to_list() == values


def test_columns_come_in_declared_order_and_rows_keep_theirs() -> None:
    declared = pl.Schema({"a": pl.Int64, "b": pl.String})
    fitted = conform(pl.DataFrame({"b": ["z", "a", "m"], "a": [3, 1, 2]}), declared, table="t")
    assert fitted.rows() == [(3, "z"), (1, "a"), (2, "m")]
    assert fitted.schema == declared


def test_every_misfit_is_reported_at_once() -> None:
    declared = pl.Schema({"a": pl.Int64, "b": pl.String, "c": pl.Int8})
    frame = pl.DataFrame({"b": [1], "c": [1], "new": [1.0]})
    with pytest.raises(LakeSchemaError) as refused:
        conform(frame, declared, table="t")
    found = {problem.column: (problem.expected, problem.actual) for problem in refused.value.problems}
    assert found == {"a": ("Int64", "absent"), "new": ("absent", "Float64"), "b": ("String", "Int64")}


@pytest.mark.parametrize(
    ("schema", "partition_by", "said"),
    [
        ({}, None, "at least one column"),
        ({"x": pl.UInt8}, None, "'x'.*UInt8"),
        ({"x": pl.Datetime("us")}, None, "'x'.*Datetime"),
        ({"x": pl.Datetime("ms", "UTC")}, None, "'x'.*ms"),
        ({"x": pl.Datetime}, None, "fully-specified"),
        ({"x": pl.Categorical()}, None, "'x'.*Categorical"),
        ({"x": pl.List(pl.UInt8)}, None, "'x'.*UInt8"),
        ({"x": pl.Struct({"a": pl.Duration})}, None, "fully-specified.*Duration"),
        ({"x": pl.Struct({"a": pl.Duration("us")})}, None, "'x'.*Duration"),
        ({"x": pl.Int64}, "event_day", "'event_day'.*absent"),
        ({"event_day": pl.String}, "event_day", "'event_day'.*String"),
    ],
)
def test_a_declaration_delta_cannot_keep_is_refused_at_once(
    tmp_path: Path, schema: dict[str, pl.DataType], partition_by: str | None, said: str
) -> None:
    with pytest.raises(LakeSchemaError, match=said):
        LakeTable(str(tmp_path / "t"), schema, partition_by=partition_by)
