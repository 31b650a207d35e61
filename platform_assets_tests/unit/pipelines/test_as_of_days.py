"""Partitions: a model can be trained as of every day that has its folds behind it, and of no other."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.training import Splits
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days, earlier_days, event_days
from platform_assets.training.folds import training_offsets

DAY = timedelta(days=1)


def test_the_first_day_to_train_as_of_has_all_its_days_in_the_history(use_case: UseCase) -> None:
    offsets = training_offsets(use_case)
    first = date.fromisoformat(as_of_days(use_case).get_first_partition_key() or "")
    assert first + timedelta(days=offsets.first) == use_case.history.first_day


def test_the_last_day_to_train_as_of_is_the_one_that_knows_the_last_label(use_case: UseCase) -> None:
    last_event = date.fromisoformat(event_days(use_case).get_last_partition_key() or "")
    assert last_event == use_case.history.last_day
    last = date.fromisoformat(as_of_days(use_case).get_last_partition_key() or "")
    assert last + timedelta(days=training_offsets(use_case).last) >= last_event


@pytest.mark.parametrize("folds", [1, 2, 4])
def test_each_fold_reaches_one_test_period_further_back(use_case: UseCase, folds: int) -> None:
    splits = Splits(train_days=7, delay_days=7, test_days=7, folds=folds)
    changed = use_case.model_copy(update={"training": use_case.training.model_copy(update={"splits": splits})})
    offsets = training_offsets(changed)
    assert (offsets.first, offsets.last) == (-20 - 7 * folds, -7)


def test_upstream_days_are_the_ones_that_training_reads(use_case: UseCase) -> None:
    offsets, as_of = training_offsets(use_case), date(2018, 6, 1)
    mapping = earlier_days(offsets.first, offsets.last)
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        as_of_days(use_case).subset_with_partition_keys([as_of.isoformat()]), as_of_days(use_case), event_days(use_case)
    )
    days = sorted(found.partitions_subset.get_partition_keys())
    assert days[0] == (as_of + timedelta(days=offsets.first)).isoformat()
    assert days[-1] == (as_of + timedelta(days=offsets.last)).isoformat()
    assert len(days) == offsets.last - offsets.first + 1


def test_a_range_of_days_reads_well() -> None:
    days = DayRange(date(2018, 4, 1), date(2018, 4, 3))
    assert days.days == [date(2018, 4, 1), date(2018, 4, 2), date(2018, 4, 3)]
    assert str(days) == "2018-04-01 .. 2018-04-03"
    assert str(DayRange(days.first, days.first)) == "2018-04-01"


def test_keys_groups_and_owners_come_from_the_declaration(use_case: UseCase) -> None:
    assert asset_key(use_case, "model", "champion") == dg.AssetKey(["card_fraud", "model", "champion"])
    found = policy(use_case, "model")
    assert (found["group_name"], found["owners"]) == ("card_fraud__model", [use_case.owner])


def test_a_model_as_of_today_can_be_trained_today(use_case: UseCase) -> None:
    """Schedules and the retrain sensor ask for today; a history that goes on must have that partition now."""
    goes_on = use_case.model_copy(update={"history": use_case.history.model_copy(update={"last_day": None})})
    with partition_loading_context(effective_dt=datetime(2018, 8, 10, 1, 30, tzinfo=UTC)):
        assert as_of_days(goes_on).get_last_partition_key() == "2018-08-10"
        assert event_days(goes_on).get_last_partition_key() == "2018-08-09"
