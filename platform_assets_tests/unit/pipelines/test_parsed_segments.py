"""A segment is parsed once, whatever is written behind what was read, torn or damaged."""

import json
from pathlib import Path

import polars as pl
import pytest

from platform_assets.pipelines import parsed_segments
from platform_assets.pipelines.parsed_segments import ParsedSegments

SCHEMA: dict[str, pl.DataType] = {"request_id": pl.String(), "score": pl.Float64()}
FILLER = "x" * 100


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_segments, "PIECE_BYTES", 4096)
    monkeypatch.setattr(parsed_segments, "HEAD_BYTES", 512)


def lines(first: int, count: int) -> str:
    return "".join(
        json.dumps({"request_id": f"r{n}", "score": n / 7, "other": FILLER}) + "\n" for n in range(first, first + count)
    )


def read(folder: Path, segment: Path) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=SCHEMA), *ParsedSegments(SCHEMA, folder / "pieces").rows(segment)])


def pieces(folder: Path) -> list[Path]:
    return sorted((folder / "pieces").rglob("*.arrow"))


def parsed_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all texts that are parsed from now on."""
    seen: list[int] = []
    plain = parsed_segments.parse_lines

    def parse(text: bytes, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        seen.append(len(text))
        return plain(text, schema)

    monkeypatch.setattr(parsed_segments, "parse_lines", parse)
    return seen


def test_a_later_look_parses_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = tmp_path / "a.jsonl"
    expected = []
    for first in range(0, 500, 100):
        with segment.open("a") as file:
            file.write(lines(first, 100))
        seen = parsed_bytes(monkeypatch)
        expected += [f"r{n}" for n in range(first, first + 100)]
        frame = read(tmp_path, segment)
        assert frame["request_id"].to_list() == expected
        assert frame["score"].to_list() == [n / 7 for n in range(first + 100)]
        assert seen == [len(lines(first, 100))]
    assert len(pieces(tmp_path)) == 5
    seen = parsed_bytes(monkeypatch)
    assert read(tmp_path, segment).height == 500
    assert seen == []


def test_a_line_that_is_still_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    segment = tmp_path / "a.jsonl"
    text = lines(0, 60)
    segment.write_text(text[:-20])
    assert read(tmp_path, segment).height == 59
    segment.write_text(text)
    assert read(tmp_path, segment)["request_id"].to_list() == [f"r{n}" for n in range(60)]


def test_a_line_that_is_no_object_is_a_row_of_nulls(tmp_path: Path) -> None:
    segment = tmp_path / "a.jsonl"
    segment.write_text(lines(0, 50) + "{torn\n[1]\n" + lines(50, 50))
    for _ in range(2):
        frame = read(tmp_path, segment)
        assert (frame.height, frame["request_id"].null_count()) == (102, 2)
    assert len(pieces(tmp_path)) == 1


def test_a_damaged_piece_is_parsed_again(tmp_path: Path) -> None:
    segment = tmp_path / "a.jsonl"
    segment.write_text(lines(0, 100))
    read(tmp_path, segment)
    [piece] = pieces(tmp_path)
    piece.write_bytes(b"no arrow")
    assert read(tmp_path, segment).height == 100


def test_another_segment_of_the_same_name_and_other_columns_are_parsed_anew_and_old_pieces_go(tmp_path: Path) -> None:
    segment = tmp_path / "a.jsonl"
    segment.write_text(lines(0, 100))
    read(tmp_path, segment)
    segment.write_text(lines(1000, 100))
    assert read(tmp_path, segment)["request_id"][0] == "r1000"
    other = ParsedSegments({"score": pl.Float64()}, tmp_path / "pieces")
    assert [frame.columns for frame in other.rows(segment)] == [["score"]]
    assert len(pieces(tmp_path)) == 3
    other.forget_others()
    assert len(pieces(tmp_path)) == 1


def test_of_two_looks_at_once_the_longer_piece_counts(tmp_path: Path) -> None:
    segment = tmp_path / "a.jsonl"
    segment.write_text(lines(0, 100))
    read(tmp_path, segment)
    [short] = pieces(tmp_path)
    kept = short.read_bytes()
    short.unlink()
    segment.write_text(lines(0, 200))
    read(tmp_path, segment)
    short.write_bytes(kept)
    assert read(tmp_path, segment)["request_id"].to_list() == [f"r{n}" for n in range(200)]
