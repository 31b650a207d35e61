"""What the report says, and when it counts as failed."""

from benchmarks.common.report import Bar, Topic, missed_bars, not_measured, render

KEPT = Topic("Speed", "By the clock.", ["", "ms"], [["ours", "1.0"], ["a|b", "2.0"]], [Bar("fast", "1.0 ms", True)])
MISSED = Topic("Loss", "Counted.", ["", "lost"], [["ours", "3"]], [Bar("nothing lost", "3 of 9", False)])


def report(*topics: Topic) -> str:
    return render(topics, {"cores": "2", "Python": "3.11"}, "commit abc", "2026-01-31", 0.25, "make bench")


def test_every_table_and_bar_is_in_the_report() -> None:
    text = report(KEPT, MISSED)
    for part in ("## Speed", "By the clock.", "| ours | 1.0 |", "## Loss", "| nothing lost | 3 of 9 | **no** |"):
        assert part in text
    assert "1 of 2 bars kept" in text


def test_the_report_says_what_it_was_made_on() -> None:
    text = report(KEPT)
    for part in ("cores 2", "Python 3.11", "commit abc", "2026-01-31", "0.2 cores busy", "make bench"):
        assert part in text


def test_a_cell_cannot_break_the_table() -> None:
    lines = [line for line in report(KEPT).splitlines() if line.startswith("| a")]
    assert lines == ["| a\\|b | 2.0 |"]


def test_a_missed_bar_is_found() -> None:
    assert [bar.what for bar in missed_bars([KEPT, MISSED])] == ["nothing lost"]


def test_what_could_not_be_measured_counts_as_missed() -> None:
    topic = not_measured("Speed", "the service does not run: run `make run` first")
    assert [bar.measured for bar in missed_bars([topic])] == ["the service does not run: run `make run` first"]
    assert "run `make run` first" in report(topic)
