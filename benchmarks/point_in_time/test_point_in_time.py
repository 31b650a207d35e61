"""The point-in-time comparison: it finds nothing wrong, and it would find what is."""

from datetime import timedelta

import pytest

from benchmarks.point_in_time import topic
from benchmarks.point_in_time.topic import check


def test_generated_histories_equal_the_oracle_and_no_poison_is_read() -> None:
    tally = check(120, seed=7)
    assert tally.histories == 120
    assert tally.values > 10_000
    assert tally.poisoned_values > 500
    assert 0 < tally.days_recomputed < tally.days_whole
    assert (tally.mismatches, tally.poison_read) == (0, 0)


def test_a_day_that_was_not_brought_up_to_date_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "days_touched", lambda view, day: (day, day + timedelta(days=view.span_days - 2)))
    assert check(60, seed=7).mismatches > 0


def test_a_label_read_too_early_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "LABEL_DELAY_DAYS", 3)
    assert check(60, seed=7).poison_read > 0


def test_what_was_known_of_labels_and_looked_up_tables_equals_the_oracle() -> None:
    found = topic.what_was_known(40, lambda text: None)
    assert set(found) == {"labels", "look-ups"}
    assert all(one.histories == 40 and one.values > 400 and one.reversals > 20 for one in found.values())
    assert all((one.mismatches, one.poison_read) == (0, 0) for one in found.values())
