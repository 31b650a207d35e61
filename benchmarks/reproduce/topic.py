"""Historical models made again: from the versions that they record, in this process and in fresh ones, to the byte.

Belongs here: how many of them are the same. Does not belong here: the models (`platform_assets/testing/model_history.py`), how a model is
made again (`platform_assets/pipelines/reproduce.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.common.report import Bar, Topic
from platform_assets.testing.model_history import SCALE, made_history


def measure_reproduction(models: int = 20, fresh: int = 3, log: Callable[[str], None] = lambda _: None) -> Topic:
    """Train models of consecutive days while the data changes, then make each of them again.

    Args:
        models: how many.
        fresh: so many of them are made again in a fresh process as well, and twice in this one.
        log: told of the progress.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-reproduce-") as temporary:
        history = made_history(Path(temporary), models, log)
        numbers = [str(number + 1) for number in range(models)]
        result = []
        for number in numbers:
            result.append(history.reproduced(number))
            log(f"version {number}: {'the same' if result[-1].is_exact else '; '.join(result[-1].differences)}")
        again = [history.reproduced(number) for number in numbers[:fresh]]
        afresh = [history.reproduced_afresh(number) for number in numbers[-fresh:]]
    exact = sum(one.is_exact for one in result)
    twice = sum(one.is_exact and one.digest_now == result[position].digest_now for position, one in enumerate(again))
    other = sum(bool(one["exact"]) for one in afresh)
    distinct = len({one.digest_now for one in result})
    seconds = median(sum(one.seconds.values()) for one in result)
    rows = [
        ["historical versions", f"{models}"],
        ["different models among them", f"{distinct}"],
        ["made again to the byte, training set and metrics included", f"{exact}"],
        [f"of {len(again)}, made again a second time", f"{twice}"],
        [f"of {len(afresh)}, made again in a fresh process with another hash seed", f"{other}"],
        ["median seconds to make one again", f"{seconds:.1f}"],
        ["median rows of its training set", f"{median(one.rows_now for one in result):,.0f}"],
    ]
    message = "; ".join(difference for one in result for difference in one.differences) or "none"
    bars = [
        Bar(f"{models} historical versions reproduced to the byte", f"{exact}; differences: {message}", exact == models),
        Bar("the same data versions and code give the same bytes twice, and in a fresh process",
            f"{twice} of {len(again)} twice, {other} of {len(afresh)} afresh", twice == len(again) and other == len(afresh)),
    ]  # fmt: skip
    how = (
        f"A small world ({SCALE['customers']:,} customers) in which models of {models} consecutive days are trained, each the better of "
        "gradient boosting and a forest on two folds, with two threads. After each model, labels of earlier days are written again with "
        "other values, so that the tables' newest versions give none of the models. Then every version is made again from what it records."
    )
    return Topic("Historical models made again", how, ("what", "number"), rows, bars)
