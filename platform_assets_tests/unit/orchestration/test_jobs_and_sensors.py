"""Jobs select what their name says, and nothing starts by itself before it is turned on."""

from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration import UseCase
from platform_assets.installation import Installation
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.dagster_names import AssetJob
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.operations_facts import read_sensors
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.settings import SettingsError
from platform_assets.testing.declare import CONNECTOR, declare, window

TERMINALS = {
    "name": "terminals",
    "connector": dict(CONNECTOR),
    "columns": [{"name": "terminal", "type": "int64", "description": "terminal"}],
    "primary_key": ["terminal"],
}


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    return declare(
        name="payments",
        table="transactions",
        events={"payment": "int64", "at": "datetime", "customer": "int64", "terminal": "int64", "amount": "float64"},
        label="is_bad",
        label_delay_days=7,
        features=[
            "amount",
            {"name": "activity", "entity": "customer", "windows": [window("payments_of_customer", "count", None, [7])]},
        ],
        sources=[TERMINALS],
        training={"splits": {"train_days": 35, "delay_days": 7, "test_days": 7, "folds": 2}},
        history={"first_day": "2024-04-01", "last_day": "2024-09-30"},
    )


@pytest.fixture(scope="module")
def definitions(use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    resources = build_resources(Installation.from_environment({}))
    return dg.Definitions.merge(
        use_case_definitions(use_case, tmp_path_factory.mktemp("payments")), dg.Definitions(resources=resources)
    )


def selected(definitions: dg.Definitions, job: str) -> set[str]:
    """Layer and table of the assets of a job."""
    keys = definitions.resolve_job_def(f"payments__{job}").asset_layer.selected_asset_keys
    return {"/".join(key.path[1:]) for key in keys}


def test_training_goes_from_the_training_set_to_the_deployment(definitions: dg.Definitions) -> None:
    assert selected(definitions, "train") == {
        "training/training_set",
        "features/feature_quality",
        "model/classifier",
        "model/evaluation",
        "model/card",
        "model/champion",
        "serving/service",
        "serving/deployment",
    }


def test_prompt_tables_and_late_labels_are_loaded_by_jobs_of_their_own(definitions: dg.Definitions) -> None:
    load, labels, reference = (selected(definitions, job) for job in ("load", "labels", "reference"))
    assert {"clean/transactions", "features/as_delivered", "features/activity"} <= load
    assert labels == {"raw/labels", "clean/labels", "quarantine/labels", "profile/labels"}
    assert {"raw/terminals", "clean/terminals"} <= reference
    assert not load & labels
    assert not (load | labels) & reference


def test_every_asset_belongs_to_one_job(definitions: dg.Definitions, use_case: UseCase) -> None:
    found = [asset for job in build_jobs(use_case) for asset in selected(definitions, job)]
    every = {"/".join(key.path[1:]) for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    on_occasion = {
        "experiments/design",
        "model/rollback",
        "serving/rollout",
        "monitoring/page",
        "monitoring/usage",
    }  # when there is a reason to
    assert sorted(found) == sorted(every - on_occasion)


def test_a_use_case_whose_labels_come_with_its_events_has_no_job_for_them(use_case: UseCase) -> None:
    prompt = tuple(source.model_copy(update={"arrival_delay_days": 0}) for source in use_case.sources)
    daily_only = tuple(source for source in prompt if source.is_daily)
    jobs = build_jobs(use_case.model_copy(update={"sources": daily_only}))
    assert not {"labels", "reference"} & set(jobs)


@pytest.mark.parametrize(("setting", "status"), [("on", "RUNNING"), ("off", "STOPPED"), (None, "RUNNING")])
def test_one_setting_says_whether_what_is_due_starts_by_itself(
    use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None, status: str
) -> None:
    if setting is None:
        monkeypatch.delenv("PLATFORM_ASSETS_AUTOMATION", raising=False)
    else:
        monkeypatch.setenv("PLATFORM_ASSETS_AUTOMATION", setting)
    definitions = use_case_definitions(use_case, tmp_path)
    assert not definitions.schedules, "what is due comes from state, not from the time alone"
    statuses = {found.name: found.default_status.value for found in definitions.sensors or []}
    assert statuses.pop("payments__automation") == "STOPPED", "with both on, a day would be made twice"
    assert {"payments__due", "payments__retrain", "payments__rollout"} <= set(statuses)
    assert set(statuses.values()) == {status}


def test_the_setting_is_on_or_off(use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_AUTOMATION", "sometimes")
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_AUTOMATION"):
        use_case_definitions(use_case, tmp_path)


def test_a_sensor_that_is_off_because_another_does_its_work_is_not_missed(definitions: dg.Definitions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        names = {fact.name for fact in read_sensors(definitions, instance, "payments")}
    assert {"payments__due", "payments__retrain", "payments__rollout"} <= names
    assert "payments__automation" not in names


def test_dagster_still_gives_no_public_name_to_what_define_asset_job_returns() -> None:
    """When this fails, `orchestration/dagster_names.py` can go."""
    assert AssetJob not in vars(dg).values()
