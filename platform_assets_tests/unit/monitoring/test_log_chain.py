"""A log that was changed is found out, and the first bad row is named; an erased line leaves it whole."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.declaration.hash_chain import erased_line, read_line
from platform_assets.lake.schemas import LEDGER_SCHEMA
from platform_assets.monitoring.log_chain import AnchoredHead, FollowedChain, follow_chain
from platform_assets.registry.ledger import Entry, Ledger, ledger_table
from platform_assets.registry.ledger_chain import FollowedLedger, follow_ledger
from serving.prediction_log import PredictionLog

LOG_EDITS, LEDGER_EDITS = 800, 200
RELEASE = "sha256:" + "ab" * 32
Lines = dict[str, list[bytes]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes' logs of several segments each."""
    folder = tmp_path_factory.mktemp("log")
    for process in range(2):
        log = PredictionLog(folder, RELEASE, segment_bytes=3000)
        for number in range(40):
            log.append({"request_id": f"r-{process}-{number}", "score": number / 7, "decision": "approve"})
        log.close()
    return folder


def lines_of(folder: Path) -> Lines:
    return {path.name: path.read_bytes().splitlines() for path in sorted(folder.glob("*.jsonl"))}


def followed(lines: Lines, folder: Path, anchors: list[AnchoredHead]) -> FollowedChain:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, content in lines.items():
        (folder / name).write_bytes(b"".join(line + b"\n" for line in content))
    return follow_chain(folder, {}, anchors)


def anchored(folder: Path) -> list[AnchoredHead]:
    return [AnchoredHead(one.name, one.lines, one.head, "2026-03-01") for one in follow_chain(folder).segments.values()]


def edited(lines: Lines, chance: random.Random) -> str:
    """Change one byte of a line; the place."""
    name, at = chosen(lines, chance)
    line, where = bytearray(lines[name][at]), chance.randrange(len(lines[name][at]))
    line[where] = next(code for code in (chance.randrange(33, 126) for _ in range(99)) if code != line[where])
    lines[name][at] = bytes(line)
    return f"{name}:{at + 1}"


def rewritten(lines: Lines, chance: random.Random) -> str:
    """Another score with everything else as it was; the place."""
    name, at = chosen(lines, chance)
    lines[name][at] = lines[name][at].replace(b'"score":', b'"score":1')
    return f"{name}:{at + 1}"


def deleted(lines: Lines, chance: random.Random) -> str:
    name, at = chosen(lines, chance)
    del lines[name][at]
    if not lines[name]:
        del lines[name]
    return f"{name}:{at + 1}"


def inserted(lines: Lines, chance: random.Random) -> str:
    """A line from elsewhere, or one without a chain."""
    name, at = chosen(lines, chance)
    other, place = chosen(lines, chance)
    lines[name].insert(at, chance.choice([lines[other][place], b'{"request_id":"made-up","score":0.5}']))
    # Put before its own self, the copy is as right as what it is a copy of, and that one is the line too many.
    return f"{name}:{at + 1 + (lines[name][at] == lines[name][at + 1])}"


def swapped(lines: Lines, chance: random.Random) -> str:
    name, at = chosen(lines, chance)
    other = chance.choice([place for place in range(len(lines[name])) if place != at])
    lines[name][at], lines[name][other] = lines[name][other], lines[name][at]
    return f"{name}:{min(at, other) + 1}"


def cut(lines: Lines, chance: random.Random) -> str:
    """Everything from a line on is gone."""
    name, at = chosen(lines, chance)
    at = max(at, 1)
    del lines[name][at:]
    return f"{name}:{at + 1}"


def removed(lines: Lines, chance: random.Random) -> str:
    name, _ = chosen(lines, chance)
    del lines[name]
    return f"{name}:1"


def chosen(lines: Lines, chance: random.Random) -> tuple[str, int]:
    name = chance.choice(sorted(lines))
    return name, chance.randrange(len(lines[name]))


CHANGES: tuple[Callable[[Lines, random.Random], str], ...] = (
    edited, rewritten, deleted, inserted, swapped, cut, removed,
)  # fmt: skip


def test_every_change_of_the_log_is_found_and_its_first_row_is_named(written: Path, tmp_path: Path) -> None:
    right, anchors = lines_of(written), anchored(written)
    assert len(right) >= 6
    assert not followed(right, tmp_path / "copy", anchors).faults
    for number in range(LOG_EDITS):
        chance = random.Random(number)
        lines = {name: list(content) for name, content in right.items()}
        change = CHANGES[number % len(CHANGES)]
        place = change(lines, chance)
        found = followed(lines, tmp_path / "copy", anchors)
        assert found.faults, (number, change.__name__, place)
        assert found.faults[0].place == place, (number, change.__name__, place, found.faults[:3])


def test_what_was_not_anchored_is_found_but_for_the_end_of_a_process(written: Path, tmp_path: Path) -> None:
    right = lines_of(written)
    ends = {name for name in right if name not in {after for after, _ in _befores(written)}}
    for number in range(70):
        lines = {name: list(content) for name, content in right.items()}
        change = CHANGES[number % len(CHANGES)]
        place = change(lines, random.Random(number))
        found = followed(lines, tmp_path / "copy", [])
        last = place.rpartition(":")[0] in ends and change in (deleted, cut, removed)
        assert found.faults or last, (change.__name__, place)


def _befores(folder: Path) -> list[tuple[str, str]]:
    return [one.after for one in follow_chain(folder).segments.values() if one.after is not None]


def test_an_erased_line_leaves_the_chain_whole_and_needs_a_record(written: Path, tmp_path: Path) -> None:
    lines, anchors = lines_of(written), anchored(written)
    name = sorted(lines)[1]
    line = read_line(lines[name][2])
    assert line is not None
    lines[name][2] = erased_line(line, "e-1")
    assert b"r-0-" not in lines[name][2]
    copy = tmp_path / "copy"
    followed(lines, copy, anchors)
    assert not follow_chain(copy, {line.commitment: "e-1"}, anchors).faults
    assert [fault.place for fault in follow_chain(copy, {}, anchors).faults] == [f"{name}:3"]
    assert follow_chain(copy, {line.commitment: "e-1"}).erasures == {"e-1": 1}


def test_a_log_from_before_is_said_to_be_so_and_is_not_red(tmp_path: Path) -> None:
    (tmp_path / "20240101T000000.000000Z-0123456789ab-7-0001.jsonl").write_text('{"request_id":"r"}\n')
    found = follow_chain(tmp_path)
    assert (found.faults, len(found.before)) == ((), 1)


def test_a_release_that_writes_links_does_not_leave_them_out(written: Path, tmp_path: Path) -> None:
    lines = lines_of(written)
    lines["20990101T000000.000000Z-abababababab-7-0001.jsonl"] = [b'{"request_id":"r"}']
    found = followed(lines, tmp_path / "copy", [])
    assert [fault.place for fault in found.faults] == ["20990101T000000.000000Z-abababababab-7-0001.jsonl:1"]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """A ledger's rows."""
    ledger = Ledger(ledger_table(str(tmp_path_factory.mktemp("ledger") / "ledger")))
    for number in range(12):
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number)
        ledger.record(
            Entry(f"e-{number:02}", moment, "case", "promoted", str(number), None, None, {"n": number}, "run")
        )
    return ledger.table.read().sort("at")


def ledger_changed(rows: pl.DataFrame, chance: random.Random) -> tuple[pl.DataFrame, str]:
    kind, place = chance.choice(["edit", "delete", "insert", "swap"]), chance.randrange(rows.height)
    values = rows.to_dicts()
    if kind == "edit":
        column = chance.choice([name for name in LEDGER_SCHEMA if name not in ("at", "chain", "environment")])
        values[place][column] = "other"
    elif kind == "delete":
        del values[place]
    elif kind == "insert":
        values.append({**values[place], "entry": "made-up", "chain": chance.choice([None, values[place]["chain"]])})
    else:
        other = chance.choice([number for number in range(len(values)) if number != place])
        values[place]["chain"], values[other]["chain"] = values[other]["chain"], values[place]["chain"]
    return pl.DataFrame(values, schema=LEDGER_SCHEMA), kind


def test_every_change_of_the_ledger_is_found(entries: pl.DataFrame) -> None:
    whole = follow_ledger(entries)
    assert (whole.faults, whole.chained) == ((), 12)
    anchor = [(whole.tips, whole.chained, "2026-03-02")]
    assert not follow_ledger(entries, anchor).faults
    for number in range(LEDGER_EDITS):
        changed, kind = ledger_changed(entries, random.Random(number))
        found: FollowedLedger = follow_ledger(changed, anchor)
        assert found.faults, (number, kind)


def test_a_forged_entry_with_a_right_link_is_found_once_the_ledger_was_anchored(
    entries: pl.DataFrame, tmp_path: Path
) -> None:
    forged = Ledger(ledger_table(str(tmp_path / "ledger")))
    for row in entries.head(4).to_dicts():
        known = {name: value for name, value in row.items() if name != "chain"}
        forged.record(Entry(**{**known, "evidence": json.loads(row["evidence"])}))
    alone = forged.table.read().sort("at").tail(1)
    whole = follow_ledger(entries)
    together = pl.concat([entries, alone.with_columns(pl.lit("made-up").alias("entry"))])
    assert follow_ledger(together, [(whole.tips, whole.chained, "2026-03-02")]).faults
