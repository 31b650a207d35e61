"""The table of thresholds counts what a loop over the rows counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.tasks.binary.thresholds import cheapest, threshold_table

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.9, 1.0]), st.integers(0, 50)),
    min_size=1, max_size=40,
)  # fmt: skip


@given(ROWS, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 20))
def test_every_row_of_the_table_is_what_a_loop_finds(
    rows: list[tuple[float, float, int]], declared: float, false_alarm: int
) -> None:
    y, score, amount = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    table = threshold_table(y, score, 2, declared, amount, float(false_alarm))
    assert [row.threshold for row in table] == sorted((row.threshold for row in table), reverse=True)
    assert [row.threshold for row in table if row.is_declared] == [declared]
    for row in table:
        alerts = [label for label, value, _ in rows if value >= row.threshold]
        missed = [cost for label, value, cost in rows if label == 1.0 and value < row.threshold]
        assert row.alerts == len(alerts)
        assert row.alerts_per_day == len(alerts) / 2
        assert row.found == sum(label == 1.0 for label in alerts)
        assert row.missed == len(missed)
        assert row.missed_cost == sum(missed)
        assert row.alarm_cost == false_alarm * sum(label == 0.0 for label in alerts)
    best = cheapest(table)
    assert best is not None
    assert best.cost == min(row.cost or 0.0 for row in table)


def test_without_costs_there_is_no_money_and_without_rows_no_table() -> None:
    y, score = np.array([0.0, 1.0]), np.array([0.2, 0.8])
    table = threshold_table(y, score, 1, 0.5)
    assert {row.cost for row in table} == {None}
    assert cheapest(table) is None
    assert threshold_table(np.empty(0), np.empty(0), 0, 0.5) == []
    none_found = threshold_table(y, score, 1, 0.95)
    assert none_found[0].to_dict()["precision"] is None, "no alert has no precision"
