"""An aggregate of a test's own: the distance between the largest and the smallest value, made of two operations of the kernel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from platform_assets.declaration.aggregates import Aggregate, Input
from platform_assets.features.aggregation import operations


class ValueRange:
    """Largest less smallest value."""

    input: Input = "number"
    needs_column = True
    needs_numbers = True
    is_about_the_past = False
    own_event_problem = None
    when_empty = None
    definition_version = 1
    operations = (operations.MAX, operations.MIN)

    def combine(self, results: NDArray[np.float64]) -> NDArray[np.float64]:
        """The difference of the two."""
        difference: NDArray[np.float64] = results[0] - results[1]
        return difference

    def plainly(self, values: Sequence[float], ages_seconds: Sequence[float]) -> float | None:
        """The same for one window."""
        return max(values) - min(values)


VALUE_RANGE: Aggregate = ValueRange()
