"""Costs of a call, and results of child processes."""

import json

import numpy as np
import pytest

from benchmarks.common.usage import Usage, measured, median_usage
from platform_assets.testing.child_process import ChildFailed, child_result


def test_memory_that_a_call_needs_for_a_moment_is_seen() -> None:
    def work() -> float:
        return float(sum(np.ones(20_000_000).sum() for _ in range(3)))  # 160 MB, given back each time

    result, usage = measured(work)
    assert result == 60_000_000
    assert usage.added_megabytes > 100
    assert usage.cpu_seconds > 0
    assert usage.seconds > 0


def test_each_quantity_has_a_median_of_its_own() -> None:
    usages = [Usage(1.0, 30.0, 200.0), Usage(3.0, 10.0, 100.0), Usage(2.0, 20.0, 300.0)]
    assert median_usage(usages) == Usage(2.0, 20.0, 200.0)


def test_a_childs_result_is_its_last_line() -> None:
    assert child_result("some.module", 0, "loading\n" + json.dumps({"seconds": 1.5}) + "\n", "a warning") == {
        "seconds": 1.5
    }


@pytest.mark.parametrize(("returncode", "output"), [(1, '{"seconds": 1.5}'), (0, ""), (0, "no json"), (0, "[1, 2]")])
def test_a_child_without_a_result_is_an_error_that_carries_what_it_said(returncode: int, output: str) -> None:
    with pytest.raises(ChildFailed, match=r"some\.module(.|\n)*out of memory"):
        child_result("some.module", returncode, output, "out of memory")
