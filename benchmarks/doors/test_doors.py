"""Counting bits, and what is said of them."""

import numpy as np

from benchmarks.doors.topic import Asked, differing_bits, report


def test_every_bit_counts_and_a_missing_score_is_all_of_its_bits() -> None:
    scores = np.array([0.1, 0.2, 0.3])
    assert differing_bits(scores, scores.copy()) == 0
    assert differing_bits(scores, np.nextafter(scores, 1)) > 0
    assert differing_bits(scores, scores[:2]) == 64


def test_a_door_that_answers_otherwise_misses_its_bar() -> None:
    good, other = Asked(np.array([0.1]), 1.0), Asked(np.array([0.25]), 1.0)
    kept = [bar.kept for bar in report({"a": good, "b": good, "c": other}, [b"{}"]).bars]
    assert kept == [True, False]
