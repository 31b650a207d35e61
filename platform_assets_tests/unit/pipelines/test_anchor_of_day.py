"""The log and the ledger are anchored once on each day, and a log that was changed meanwhile is said and not anchored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from platform_assets.pipelines.audit import anchor_of_day, anchor_table, verify_audit, write_anchor
from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.payments import FIRST_DAY, use_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

DAY = timedelta(days=1)


def test_each_day_has_an_anchor_and_no_second_one(tmp_path: Path) -> None:
    world = AnsweredWorld(tmp_path, use_case(), *payments(each_day=12))
    catalog, log, now = world.catalog, world.log_folder, datetime.now(UTC)
    world.load(FIRST_DAY, SERVED - DAY)
    world.release("1", world.train("logistic_regression", SERVED))
    world.serve(SERVED)
    before = verify_audit(catalog, log)
    assert (before.anchors, before.anchored_at, before.lines_since) == (0, None, 12)
    assert anchor_of_day(catalog, log, now).startswith(f"anchored on {now.date()}: ")
    assert anchor_of_day(catalog, log, now) == f"anchored on {now.date()} already"
    write_anchor(
        catalog, log, now, key=f"anchor/day/{now.date()}"
    )  # as another process does that looked at the same moment
    first = verify_audit(catalog, log)
    assert (first.anchors, first.anchored_at, first.lines_since, first.faults) == (1, now, 0, ())

    world.serve(SERVED + DAY)
    assert verify_audit(catalog, log).lines_since == 12
    anchor_of_day(catalog, log, now + DAY)
    second = verify_audit(catalog, log)
    assert (second.anchors, second.lines_since, second.faults) == (2, 0, ())

    newest = sorted(log.glob("*.jsonl"))[-1]
    lines = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join(lines[:-1]))  # its last line: nothing but an anchor shows that
    assert f"{newest.name}:{len(lines)}" in anchor_of_day(catalog, log, now + 2 * DAY)
    assert anchor_table(catalog).read()["anchor"].n_unique() == 2, "what is not right is not anchored"
