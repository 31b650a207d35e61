"""What only the copy of the prediction log has comes into the log; what a backup holds goes from the copy."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from platform_assets.pipelines.log_copies import remove_held_copies, take_in_copies
from platform_assets.recovery.manifest import BackedUpFile, Manifest


def write(folder: Path, **segments: str) -> None:
    for name, text in segments.items():
        path = folder / "shop" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_lines_that_the_log_lacks_come_from_the_copy(tmp_path: Path) -> None:
    log, copies = tmp_path / "log", tmp_path / "copy"
    write(copies, a="1\n2\n3\n", b="4\n", c="5\n6\n", d="7\n")
    write(log, a="1\n", b="4\n")
    (log / "shop/d.jsonl.gz").write_bytes(b"")
    assert take_in_copies(copies, log) == 4
    assert sorted(path.name for path in (log / "shop").iterdir()) == ["a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl.gz"]
    assert (log / "shop/a.jsonl").read_text() == "1\n2\n3\n"
    assert take_in_copies(copies, log) == 0
    assert take_in_copies(tmp_path / "nowhere", log) == 0


def test_copies_that_a_backup_holds_go_once_they_are_old(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    write(tmp_path, held="1\n", grown="1\n2\n", young="1\n", packed="1\n")
    old = (now - timedelta(days=3)).timestamp()
    for name in ("held", "grown", "packed"):
        os.utime(tmp_path / f"shop/{name}.jsonl", (old, old))
    names = ("held.jsonl", "grown.jsonl", "young.jsonl", "packed.jsonl.gz")
    files = tuple(BackedUpFile(part="log", path=f"shop/{name}", size=2, stamp="", chunks=()) for name in names)
    manifest = Manifest(name="x", created_at=now, seconds=1, code_version="", roots={}, tables={}, files=files)
    assert remove_held_copies(tmp_path, manifest, now) == 2
    assert sorted(path.stem for path in (tmp_path / "shop").iterdir()) == ["grown", "young"]
