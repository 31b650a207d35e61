"""What each threshold would have meant on judged rows: alerts, what they find, and their money.

Belongs here: the table of thresholds, and the cheapest of them. Does not belong here: what a mistake costs (declared,
`declaration/sections/serving.py`), or choosing the threshold that serves (declared as well: nothing changes it behind one's back).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from platform_assets.declaration.sections.serving import Decision
from platform_assets.tasks.base import FoldRows
from platform_assets.tasks.metric import Vector

ROWS = 24
"""About how many thresholds are shown."""


@dataclass(frozen=True)
class ThresholdRow:
    """One threshold on the judged rows.

    Attributes:
        threshold: scores at or above it are alerts.
        alerts: how many there are.
        alerts_per_day: the same by day.
        found: positives among them.
        missed: positives below the threshold.
        precision: share of alerts that are positives; NaN without an alert.
        recall: share of positives that are found; NaN without a positive.
        missed_cost: what the missed positives cost; None where no costs are declared.
        alarm_cost: what the false alarms cost.
        cost: both together.
        is_declared: whether this threshold serves.
    """

    threshold: float
    alerts: int
    alerts_per_day: float
    found: int
    missed: int
    precision: float
    recall: float
    missed_cost: float | None
    alarm_cost: float | None
    cost: float | None
    is_declared: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is not a number becomes None."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def threshold_table(
    y: Vector,
    prediction: Vector,
    days: int,
    declared: float,
    missed: Vector | float | None = None,
    false_alarm: float | None = None,
    rows: int = ROWS,
) -> list[ThresholdRow]:
    """What thresholds from the highest score down to the lowest would have meant, the declared one among them.

    Thresholds are taken evenly over the share of rows that become alerts, on a logarithmic scale: those that matter are where few
    rows are alerts.

    Args:
        y: float64 [n], 0 or 1.
        prediction: float64 [n].
        days: how many days the rows are from.
        declared: the threshold that serves.
        missed: what a missed positive costs: float64 [n] by row, or one number; None without declared costs.
        false_alarm: what a false alarm costs; None without declared costs.
        rows: about how many thresholds.

    Returns:
        One row for each threshold, highest first; empty without rows.
    """
    if len(y) == 0:
        return []
    order = np.argsort(-prediction, kind="stable")
    scores, hits = prediction[order], y[order] == 1.0
    costs = np.broadcast_to(np.asarray(0.0 if missed is None else missed, dtype=np.float64), y.shape)[order]
    hits_above = np.cumsum(hits)
    saved = np.cumsum(np.where(hits, costs, 0.0))
    ranks = np.unique(np.geomspace(1, len(y), num=min(rows, len(y))).astype(int))
    chosen = np.unique(np.concatenate([scores[ranks - 1], [declared]]))[::-1]
    table = []
    for threshold in chosen:
        alerts = int(np.searchsorted(-scores, -threshold, side="right"))
        hit = int(hits_above[alerts - 1]) if alerts else 0
        lost = float(saved[-1] - (saved[alerts - 1] if alerts else 0.0)) if missed is not None else None
        alarms = (alerts - hit) * false_alarm if false_alarm is not None else None
        table.append(
            ThresholdRow(
                threshold=float(threshold),
                alerts=alerts,
                alerts_per_day=alerts / max(1, days),
                found=hit,
                missed=int(hits_above[-1]) - hit,
                precision=hit / alerts if alerts else float("nan"),
                recall=hit / int(hits_above[-1]) if hits_above[-1] else float("nan"),
                missed_cost=lost,
                alarm_cost=alarms,
                cost=None if lost is None or alarms is None else lost + alarms,
                is_declared=bool(threshold == declared),
            )
        )
    return table


def cheapest(table: list[ThresholdRow]) -> ThresholdRow | None:
    """The threshold that would have cost least, the highest of them at a tie; None without declared costs."""
    priced = [row for row in table if row.cost is not None]
    return min(priced, key=lambda row: row.cost or 0.0) if priced else None


def thresholds_with_money(rule: Decision, rows: FoldRows) -> list[dict[str, Any]]:
    """The table of thresholds on a fold as plain values, with money where costs are declared."""
    costs = rule.costs
    missed: Any = None
    if costs is not None:
        missed = rows.X[:, rows.features.index(costs.missed)] if isinstance(costs.missed, str) else costs.missed
        missed = np.nan_to_num(missed, nan=0.0)
    days = len(np.unique(rows.event_day))
    alarm = costs.false_alarm if costs is not None else None
    table = threshold_table(rows.y, rows.prediction, days, rule.threshold, missed, alarm)
    best = cheapest(table)
    return [{**row.to_dict(), "is_cheapest": row is best} for row in table]
