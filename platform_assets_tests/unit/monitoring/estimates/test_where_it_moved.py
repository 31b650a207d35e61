"""What moved is named by segment and feature, first; what did not is not named. Importance changes when the model is asked otherwise."""

import numpy as np
from numpy.typing import NDArray

from platform_assets.monitoring.estimates.importance import importance_change
from platform_assets.monitoring.estimates.where_it_moved import EVERYWHERE, SHARE, Side, where_it_moved

FEATURES = ["amount", "count", "age"]
LIMITS = dict.fromkeys(FEATURES, 0.05)


def side(seed: int, rows: int = 4000, night: float = 0.3, shift: float = 0.0, everywhere: float = 0.0) -> Side:
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, 3))
    part = np.where(random.random(rows) < night, "night", "day")
    values[part == "night", 0] += shift
    values[:, 1] += everywhere
    return Side(values, {"hour": part.astype(np.str_)})


def named(reference: Side, window: Side) -> list[tuple[str, str]]:
    return [(one.segment, one.feature) for one in where_it_moved(reference, window, FEATURES, LIMITS, 0.05)]


def test_nothing_is_named_where_nothing_moved() -> None:
    assert all(not named(side(seed), side(seed + 100)) for seed in range(10))


def test_the_segment_that_moved_comes_first() -> None:
    assert named(side(1), side(2, shift=0.8))[0] == ("hour = night", "amount")


def test_what_moved_everywhere_is_named_as_such() -> None:
    assert named(side(3), side(4, everywhere=0.6))[0] == (EVERYWHERE, "count")


def test_a_segment_that_grew_is_named() -> None:
    assert ("hour = night", SHARE) in named(side(5), side(6, night=0.6))


def test_rows_of_one_member_are_no_further_observations() -> None:
    reference, window = side(7), side(8, shift=0.5)
    alike = [Side(one.values, one.parts, np.arange(len(one.values)) % 40) for one in (reference, window)]
    assert named(reference, window)
    assert not named(*alike)


def model(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the amount alone, unless the count is large."""
    return np.where(X[:, 1] > 2.0, 3.0 * X[:, 2], X[:, 0])


def test_importance_changes_where_the_model_is_asked_otherwise() -> None:
    quiet = importance_change(model, side(9).values, side(10).values, FEATURES)
    assert quiet.changed == ()
    assert quiet.low <= quiet.distance <= quiet.high
    moved = importance_change(model, side(9).values, side(10, everywhere=3.0).values, FEATURES)
    assert "age" in moved.changed
    assert moved.low > quiet.high


def test_a_model_that_answers_the_same_to_all_has_no_importance() -> None:
    change = importance_change(lambda X: np.zeros(len(X)), side(11).values, side(12).values, FEATURES)
    assert change.distance == 0.0
    assert change.changed == ()
