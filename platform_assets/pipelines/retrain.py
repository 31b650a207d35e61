"""Whether monitoring asks for a new model, from the verdicts it has stored.

Belongs here: stored verdicts as a history, and the day to train as of. Does not belong here: the rule (`monitoring/retrain_verdict.py`),
the verdicts (their own pipelines), or starting the run (`orchestration/sensors.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.retrain_verdict import RequestedRetrain, WindowVerdict, retrain_verdict
from platform_assets.pipelines.due import can_train_as_of, known_as_of
from platform_assets.pipelines.jobs import JUDGE, WATCH


@dataclass(frozen=True)
class RetrainDecision:
    """Whether a model is asked for.

    Attributes:
        as_of: the day to train it as of; None when none is asked for.
        cause: stable key of what asks for it; empty when none is asked for.
        reason: one sentence for people, for each monitor.
    """

    as_of: date | None
    cause: str
    reason: str


def window_history(catalog: Catalog, monitor: str) -> list[WindowVerdict]:
    """The stored verdicts of drift or of quality, each under the day it was known as of.

    The two are judged apart: quality of a day is known a label delay later than its drift, so that in one sequence the
    newest windows would hold quality only and hide the drift behind them.
    """
    job = {DRIFT: WATCH, QUALITY: JUDGE}[monitor]
    table = catalog.verdicts(monitor)
    if not table.exists():
        return []
    rows = table.read(columns=[EVENT_DAY, "causes"]).sort(EVENT_DAY).iter_rows(named=True)
    return [
        WindowVerdict(known_as_of(catalog.use_case, job, row[EVENT_DAY]), bool(row["causes"]), tuple(row["causes"]))
        for row in rows
    ]


def decide_retrain(catalog: Catalog, requested: Sequence[RequestedRetrain]) -> RetrainDecision:
    """The first of quality and drift that asks for a model, with the day to train as of; else why not.

    Args:
        catalog: the use case's tables.
        requested: earlier requests; a cause asks once.
    """
    use_case = catalog.use_case
    reasons = []
    for monitor in (QUALITY, DRIFT):
        history = window_history(catalog, monitor)
        verdict = retrain_verdict(history, use_case.monitoring.retrain, requested)
        if not verdict.retrain:
            reasons.append(f"{monitor}: {verdict.reason}")
            continue
        as_of = history[-1].day
        if not can_train_as_of(use_case, as_of):
            return RetrainDecision(None, "", f"{verdict.reason} But {as_of} is not a day a model can be trained as of.")
        return RetrainDecision(as_of, verdict.cause, verdict.reason)
    return RetrainDecision(None, "", " ".join(reasons))
