"""A few moves of the champion with kills in between: the ledger answers every observed moment, and a planted lie is found."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.ledger.topic import USE_CASE, Place, Seen, _wrong_answers, move_and_kill


@pytest.mark.long
def test_killed_moves_leave_a_ledger_that_is_right(tmp_path: Path) -> None:
    outcome = move_and_kill(tmp_path, moves=4, seed=1)
    assert outcome.problems == ()
    assert outcome.moves == 4
    assert sum(outcome.kills.values()) >= 2
    assert outcome.observations > 10
    ledger = Place(tmp_path).ledger
    last = ledger.moves(USE_CASE).row(-1, named=True)
    later = last["at"] + timedelta(minutes=1)
    wrong, _, _ = _wrong_answers(ledger, [Seen(later, later, last["previous_version"])])
    assert len(wrong) == 1, "an alias that the ledger knows nothing of does not pass"
