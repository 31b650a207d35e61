"""A run that two daemons asked for starts once; what is asked for anew, after a failure or by a person, starts."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, RUN_KEY_TAG, SENSOR_NAME_TAG

from platform_assets.orchestration.local_runs import twins
from platform_assets.orchestration.local_runs.launcher import LocalRunLauncher
from platform_assets.orchestration.local_runs.twins import earlier_twin
from platform_assets.orchestration.local_runs.worker import WORKER_TAG

ASKED = {RUN_KEY_TAG: "load 2024-01-15 attempt 1", SENSOR_NAME_TAG: "clinic__due"}


@dg.op
def work() -> None:
    """Nothing."""


@dg.job
def load() -> None:
    """One step."""
    work()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def asked(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(load, tags={**ASKED, **{name.replace("__", "/"): tags[name] for name in tags}})


def test_the_second_of_two_that_were_asked_for_at_once_has_a_twin_and_the_first_has_none(
    instance: dg.DagsterInstance,
) -> None:
    first, second, third = (asked(instance) for _ in range(3))
    assert earlier_twin(instance, first) is None
    assert earlier_twin(instance, second) == earlier_twin(instance, third) == first.run_id


def test_the_second_ends_as_canceled_and_names_the_first(instance: dg.DagsterInstance) -> None:
    first, second = asked(instance), asked(instance)
    launcher = LocalRunLauncher()
    launcher.register_instance(instance)
    launcher.launch_run(LaunchRunContext(dagster_run=second, workspace=None))
    ended = instance.get_run_by_id(second.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.CANCELED
    assert WORKER_TAG not in ended.tags, "no process was started"
    [event] = [one for one in instance.all_logs(second.run_id) if one.dagster_event and one.dagster_event.is_job_event]
    assert first.run_id in str(event.dagster_event and event.dagster_event.message)


def test_another_key_another_sensor_and_a_run_that_a_person_started_are_no_twins(instance: dg.DagsterInstance) -> None:
    asked(instance)
    assert earlier_twin(instance, asked(instance, **{RUN_KEY_TAG: "load 2024-01-15 attempt 2"})) is None
    assert earlier_twin(instance, asked(instance, **{SENSOR_NAME_TAG: "shop__due"})) is None
    assert earlier_twin(instance, instance.create_run_for_job(load)) is None
    again = asked(instance, **{PARENT_RUN_ID_TAG: "an earlier run"})
    assert earlier_twin(instance, again) is None, "it is tried again"
    assert earlier_twin(instance, asked(instance, **{PARENT_RUN_ID_TAG: "an earlier run"})) == again.run_id, "twice"


def test_one_that_failed_or_was_asked_for_long_ago_answers_nothing(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = asked(instance), asked(instance)
    monkeypatch.setattr(twins, "AT_ONCE", -twins.AT_ONCE)
    assert earlier_twin(instance, second) is None
    monkeypatch.undo()
    instance.report_run_failed(first)
    assert earlier_twin(instance, second) is None
