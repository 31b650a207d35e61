"""Labels that are decided late, reversed or never delivered: in features, training sets, folds, states and monitoring."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.features.errors import PointInTimeError
from platform_assets.features.offline import known_labels
from platform_assets.features.offline.feature_table import compute_days, join_labels
from platform_assets.features.offline.training_set import training_set, training_set_of_events
from platform_assets.testing.declare import declaration, window
from platform_assets.testing.label_histories import check_labels
from platform_assets.training.dataset import read_dataset

FIRST = date(2024, 1, 1)
TIME = pl.Datetime("us", "UTC")


def desk(arrival_days: int = 0, **label: Any) -> UseCase:
    """Tickets of a desk; the verdict on each comes in a table of its own."""
    columns = {"ticket": {"type": "int64"}, "decided": {"type": "datetime"}, "wrong": {"type": "int8"}}
    document = declaration(
        events={"ticket": "int64", "at": "datetime", "desk_id": "int32", "size": "float64"},
        label={"wrong": [0, 1]},
        label_source={
            "columns": [{"name": name, "description": name, **kind} for name, kind in columns.items()],
            "primary_key": ["ticket", "decided"],
            "event_time": "decided",
            "arrival_delay_days": arrival_days,
        },
        features=[
            "size",
            {
                "name": "desk_past",
                "entity": "desk",
                "windows": [window("wrong", "mean", "wrong", [9], delay_days=max(1, arrival_days))],
            },
        ],
        training={"splits": {"train_days": 2, "delay_days": 4, "test_days": 2, "folds": 1}},
    )
    return UseCase.model_validate({**document, "label": {"source": "labels", "column": "wrong", **label}})


def on(day: int, hour: int = 12) -> datetime:
    return datetime.combine(FIRST + timedelta(days=day), time(hour), UTC)


def tickets(*days: int) -> pl.DataFrame:
    """One ticket of desk 1 at noon of each day, numbered from 0."""
    rows = [(number, on(day), 1, 1.0, on(day).date()) for number, day in enumerate(days)]
    schema = {"ticket": pl.Int64, "at": TIME, "desk_id": pl.Int32, "size": pl.Float64, EVENT_DAY: pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def verdicts(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """Rows of the label's source: ticket, day of the decision, verdict."""
    schema = {"ticket": pl.Int64, "decided": TIME, "wrong": pl.Int8, EVENT_DAY: pl.Date}
    return pl.DataFrame(
        [(ticket, on(day), wrong, on(day).date()) for ticket, day, wrong in rows], schema=schema, orient="row"
    )


def past(case: UseCase, events: pl.DataFrame, labels: pl.DataFrame, days: int) -> list[float | None]:
    """The desk's share of wrong tickets at the noon of each day from the first on."""
    computed = compute_days(case.features[1], case, events, labels, FIRST, FIRST + timedelta(days=days - 1))
    return computed["wrong_9d"].to_list()


def test_generated_histories_equal_the_oracle_and_no_poison_is_read() -> None:
    tally = check_labels(80, seed=3)
    assert tally.histories == 80
    assert tally.reversals > 30
    assert tally.poisoned_values > 300
    assert (tally.mismatches, tally.poison_read) == (0, 0)


def test_labels_of_the_future_show_in_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    at = known_labels.known_at
    monkeypatch.setattr(known_labels, "known_at", lambda versions, case, as_of: at(versions, case, None))
    tally = check_labels(40, seed=3)
    assert tally.mismatches > 50
    assert tally.poison_read > 10


def test_a_label_counts_from_the_midnight_after_its_decision_and_a_reversal_from_its_own() -> None:
    case = desk(decided_at="decided")
    shares = past(case, tickets(*range(8)), verdicts((0, 2, 1), (0, 5, 0), (1, 1, 0)), 8)
    assert shares == [None, None, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0]


def test_a_decision_that_arrives_later_counts_from_its_arrival() -> None:
    case = desk(arrival_days=3, decided_at="decided")
    assert past(case, tickets(*range(6)), verdicts((0, 1, 1)), 6) == [None, None, None, None, 1.0, 1.0]


def test_without_a_row_the_label_is_the_declared_one_once_it_is_complete() -> None:
    case = desk(decided_at="decided", complete_after_days=3, absent=0)
    assert past(case, tickets(*range(6)), verdicts((1, 2, 1)), 6) == [None, None, None, 0.5, 0.5, pytest.approx(1 / 3)]


def test_folds_learn_from_labels_as_they_were_known_when_their_test_began() -> None:
    case = desk(decided_at="decided")
    events, labels = tickets(0, 0, 0), verdicts((0, 1, 1), (0, 8, 0), (1, 7, 1), (2, 1, 0))
    views = {
        view.name: compute_days(view, case, events, labels, FIRST, FIRST + timedelta(days=9)) for view in case.features
    }
    rows = training_set_of_events(
        events, labels, views, case, FIRST + timedelta(days=10), FIRST, FIRST + timedelta(days=9)
    )
    dataset = read_dataset(case, rows)
    assert dict(zip(dataset.key.tolist(), dataset.y.tolist(), strict=True)) == {0: 0.0, 1: 1.0, 2: 0.0}
    then = dataset.as_known(FIRST + timedelta(days=5))
    assert dict(zip(then.key.tolist(), then.y.tolist(), strict=True)) == {0: 1.0, 2: 0.0}


@pytest.mark.parametrize("arrival_days", [1, 3])
def test_labels_dated_by_their_decision_are_refused_where_nothing_says_so(arrival_days: int) -> None:
    case = desk(arrival_days=arrival_days)
    events, labels = tickets(0, 1), verdicts((0, 0, 0), (1, 4, 1))
    with pytest.raises(
        PointInTimeError, match=r"1 of 2 rows lie on a later day than their event.*label.decided_at: decided"
    ):
        join_labels(events, labels, case)
    views = {view.name: events.with_columns(pl.lit(0.0).alias("wrong_9d")) for view in case.features}
    with pytest.raises(PointInTimeError, match="lie on a later day than their event"):
        training_set(labels, views, case, FIRST + timedelta(days=9), FIRST, FIRST + timedelta(days=8))


def test_a_second_row_of_an_event_is_refused_where_nothing_dates_it() -> None:
    with pytest.raises(PointInTimeError, match=r"repeat a key.*label.decided_at"):
        join_labels(tickets(0), verdicts((0, 0, 1), (0, 0, 0)), desk(arrival_days=1))


def test_absent_means_nothing_where_days_of_the_labels_were_not_loaded() -> None:
    case = desk(arrival_days=1, absent=0)
    loaded = {FIRST, FIRST + timedelta(days=2)}
    labelled = join_labels(tickets(0, 1, 2), verdicts((2, 2, 1)), case, FIRST + timedelta(days=9), loaded)
    assert labelled["wrong"].to_list() == [0, None, 1]
    views = {view.name: tickets(0, 1, 2).with_columns(pl.lit(0.0).alias("wrong_9d")) for view in case.features}
    with pytest.raises(
        PointInTimeError, match=r"of 1 of 3 event days, 2024-01-02 .. 2024-01-02, were not all published"
    ):
        training_set_of_events(
            tickets(0, 1, 2),
            verdicts(),
            views,
            case,
            FIRST + timedelta(days=9),
            FIRST,
            FIRST + timedelta(days=8),
            loaded,
        )
