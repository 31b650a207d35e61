"""CSV and JSON lines: every row kept, with its line."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.files.text_formats import TextRows, parse_csv, parse_json_lines


def rows(parsed: TextRows) -> list[tuple[object, ...]]:
    """Cells and line of each row."""
    return parsed.cells.with_columns(parsed.lines.alias("#line")).rows()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,2\n3,4\n", [("1", "2", 2), ("3", "4", 3)]),
        (b"a,b\n1,2\n3,4", [("1", "2", 2), ("3", "4", 3)]),
        (b"a,b\r\n1,2\r\n3,4\r\n", [("1", "2", 2), ("3", "4", 3)]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2", 2)]),
        (b"a,b\n", []),
        (b"a,b\n1,\n3,4\n", [("1", None, 2), ("3", "4", 3)]),
        (b'a,b\n"",x\n"1,5",y\n', [(None, "x", 2), ("1,5", "y", 3)]),
    ],
    ids=["plain", "no last newline", "carriage returns", "byte order mark", "header only", "empty cell", "quotes"],
)
def test_csv_cells_and_lines(data: bytes, expected: list[tuple[object, ...]]) -> None:
    parsed = parse_csv(data, "f.csv")
    assert rows(parsed) == expected
    assert parsed.problems.null_count() == len(parsed.lines)


def test_blank_lines_of_a_csv_file_are_no_rows_but_count_as_lines() -> None:
    assert rows(parse_csv(b"a,b\n1,2\n\n\n3,4\n\n", "f.csv")) == [("1", "2", 2), ("3", "4", 5)]
    assert rows(parse_csv(b"a\n1\n\n3\n", "f.csv")) == [("1", 2), ("3", 4)]


def test_a_row_after_a_cell_with_line_breaks_has_its_own_line() -> None:
    assert rows(parse_csv(b'a,b\n"x\ny",2\n3,4\n', "f.csv")) == [("x\ny", "2", 2), ("3", "4", 4)]


@pytest.mark.parametrize("bad", [b"1,2,3,4", b"1,2", b'"1",2'], ids=["long", "short", "short and quoted"])
def test_a_row_with_another_number_of_cells_is_kept_with_its_text(bad: bytes) -> None:
    parsed = parse_csv(b"a,b,c\n7,8,9\n" + bad + b"\n4,5,6\n", "f.csv")
    assert rows(parsed) == [("7", "8", "9", 2), (None, None, None, 3), ("4", "5", "6", 4)]
    problem = parsed.problems[1]
    assert bad.decode().replace('"', "") in problem
    assert "instead of 3" in problem
    assert parsed.problems.null_count() == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        ("a,b\nx,1\nMüller,2\n".encode("latin-1"), "line 3: byte 0xfc is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "from line 3 on"),
    ],
    ids=["empty", "blank", "latin-1", "utf-16", "open quote"],
)
def test_a_csv_file_that_cannot_be_trusted_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=r"f\.csv") as caught:
        parse_csv(data, "f.csv")
    assert says in str(caught.value)


def test_repeated_header_names_stay_apart() -> None:
    for data in (b"a,a\n1,2\n", b"a,a\n1,2\n\n"):
        parsed = parse_csv(data, "f.csv")
        assert parsed.cells.columns == ["a", "a_duplicated_0"]
        assert rows(parsed) == [("1", "2", 2)]


CELLS = st.text(alphabet='ab1,"\n é', max_size=4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_csv_gives_back_what_was_written(table: list[tuple[str, str, str]], newline: str) -> None:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator=newline)
    writer.writerow(["x", "y", "z"])
    lines = []
    for row in table:
        lines.append(target.getvalue().count("\n") + 1)
        writer.writerow(row)
    parsed = parse_csv(target.getvalue().encode(), "f.csv")
    expected = [(*(cell or None for cell in row), line) for row, line in zip(table, lines, strict=True)]
    assert rows(parsed) == expected
    assert parsed.problems.null_count() == len(parsed.lines)


def test_json_lines_keep_the_text_of_numbers() -> None:
    lines = ['{"a": 1, "b": 0.10, "c": true}', "", '{"a": null, "d": {"e": [1, 2.50]}}', '{"b": "x", "a": ""}']
    parsed = parse_json_lines("\n".join(lines).encode(), "f.jsonl", [])
    assert rows(parsed) == [
        ("1", "0.10", "true", None, 1),
        (None, None, None, '{"e": [1, 2.50]}', 3),
        (None, "x", None, None, 4),
    ]


def test_a_line_that_is_no_object_is_kept_with_its_text() -> None:
    parsed = parse_json_lines(b'{"a": 1}\n[1]\n{"a": 2\n{"a": 3}', "f.jsonl", [])
    assert rows(parsed) == [("1", 1), (None, 2), (None, 3), ("3", 4)]
    assert parsed.problems.to_list() == [None, "not a JSON object: [1]", 'not a JSON object: {"a": 2', None]


@pytest.mark.parametrize(
    "line", [b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a": 1'], ids=["surrogate", "deep", "cut off"]
)
def test_lines_that_python_or_polars_cannot_hold_are_kept(line: bytes) -> None:
    parsed = parse_json_lines(b'{"a": "\\u00e9"}\n' + line, "f.jsonl", [])
    assert rows(parsed) == [("é", 1), (None, 2)]
    assert parsed.problems[1] == f"not a JSON object: {line.decode()}"


def test_columns_that_may_be_left_out_of_every_object_exist_all_the_same() -> None:
    assert parse_json_lines(b'{"a": 1}', "f.jsonl", ["remark"]).cells.select("a", "remark").rows() == [("1", None)]


def test_json_lines_in_another_encoding_are_refused() -> None:
    with pytest.raises(SourceError, match=r"f\.jsonl, line 2: byte 0xfc"):
        parse_json_lines('{"a": 1}\n{"a": "ü"}'.encode("latin-1"), "f.jsonl", [])


OBJECTS = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.text('ab 1é"', max_size=3) | st.integers(-5, 5), max_size=3
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OBJECTS, max_size=6))
def test_json_lines_give_back_what_was_written(objects: list[dict[str, object]]) -> None:
    data = "\n".join(json.dumps(found) for found in objects).encode()
    parsed = parse_json_lines(data, "f.jsonl", ["a", "b", "c"])
    expected = [tuple(None if found.get(key) in (None, "") else str(found[key]) for key in "abc") for found in objects]
    assert parsed.cells.select("a", "b", "c").rows() == expected
    assert parsed.lines.to_list() == list(range(1, len(objects) + 1))


def test_compressed_data_is_told_from_text() -> None:
    with pytest.raises(SourceError, match="not UTF-8"):
        parse_json_lines(gzip.compress(b'{"a": 1}'), "f.jsonl", [])
