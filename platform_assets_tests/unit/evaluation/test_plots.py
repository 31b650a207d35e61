"""Pictures: they are drawn, from few rows and from many, and the same input gives the same bytes."""

import numpy as np

from platform_assets.tasks.binary.plots import plot_binary
from platform_assets.tasks.regression.plots import plot_regression

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_binary_evaluation_is_drawn_with_and_without_a_champion() -> None:
    rng = np.random.default_rng(0)
    prediction = rng.random(400)
    y = (rng.random(400) < prediction).astype(np.float64)
    alone = plot_binary(y, {"model": prediction}, 0.5)
    assert alone.startswith(PNG)
    assert plot_binary(y, {"model": prediction, "champion": rng.random(400)}, 0.5) != alone
    assert plot_binary(y, {"model": prediction}, 0.5) == alone


def test_a_regression_is_drawn_from_three_rows() -> None:
    assert plot_regression(np.array([1.0, 2.0, 3.0]), np.array([1.1, 1.9, 3.5])).startswith(PNG)
