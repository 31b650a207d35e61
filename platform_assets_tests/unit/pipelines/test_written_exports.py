"""A project in a folder: written, written again, named where it is out of date, and never over what a person wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration import UseCase
from platform_assets.pipelines.export.plan import StaleExport, plan_export, refuse_stale
from platform_assets.pipelines.export.write import AnotherOrchestrator, FolderTaken, check_export, write_export
from platform_assets.pipelines.steps.graph import StepsUnsupported
from platform_assets.testing.declare import declare, window

EVENTS = {"sale": "int64", "at": "datetime", "shop": "int64", "items": "int32", "returned": [0, 1]}


def use_case(**more: Any) -> UseCase:
    return declare(events=EVENTS, label="returned", **more)


def with_view() -> UseCase:
    view = {"name": "recent", "entity": "shop", "windows": [window("sold", "sum", "items", [7])]}
    return use_case(features=["items", view])


def test_an_export_is_written_again_and_says_what_changed(tmp_path: Path) -> None:
    first = write_export("airflow", use_case(), tmp_path / "project")
    assert first.changed == first.files
    assert write_export("airflow", use_case(), tmp_path / "project").changed == ()
    again = write_export("airflow", with_view(), tmp_path / "project")
    assert "dags/small.py" in again.changed
    assert "requirements.txt" not in again.changed


def test_an_export_of_other_steps_is_named_with_what_to_type(tmp_path: Path) -> None:
    write_export("prefect", use_case(), tmp_path)
    check_export("prefect", use_case(), tmp_path)
    with pytest.raises(StaleExport, match=r"out of date.*`platform-assets export prefect small --into"):
        check_export("prefect", with_view(), tmp_path)
    with pytest.raises(StaleExport, match="platform-assets export"):
        refuse_stale(with_view(), plan_export(use_case()).digest)
    with pytest.raises(StaleExport, match="small for prefect"):
        check_export("airflow", use_case(), tmp_path)
    with pytest.raises(StaleExport, match="holds no export"):
        check_export("airflow", use_case(), tmp_path / "elsewhere")


def test_what_a_step_reads_when_it_runs_makes_no_export_stale() -> None:
    kept = use_case(training={"seed": 5})
    refuse_stale(kept, plan_export(use_case()).digest)


def test_nothing_of_a_person_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderTaken, match="not empty"):
        write_export("kubeflow", use_case(), tmp_path)
    project = tmp_path / "project"
    write_export("kubeflow", use_case(), project)
    (project / "small_pipeline.py").write_text("# mine")
    with pytest.raises(StaleExport, match=r"small_pipeline\.py in .* changed since"):
        check_export("kubeflow", use_case(), project)
    with pytest.raises(FolderTaken, match=r"small_pipeline\.py in .* changed since"):
        write_export("kubeflow", use_case(), project)
    assert (project / "small_pipeline.py").read_text() == "# mine"
    write_export("kubeflow", use_case(), project, force=True)
    check_export("kubeflow", use_case(), project)


def test_a_source_that_is_read_for_what_is_new_is_refused_with_the_way_out() -> None:
    fed = use_case().model_dump(mode="json")
    fed["sources"][0]["connector"] = {"kind": "kafka", "brokers": "BROKERS", "topic": "sales"}
    with pytest.raises(StepsUnsupported, match=r"read for what is new.*with Dagster"):
        plan_export(UseCase.model_validate(fed))


def test_a_use_case_that_declares_its_orchestrator_is_exported_for_no_other(tmp_path: Path) -> None:
    write_export("airflow", use_case(orchestration="airflow"), tmp_path / "airflow")
    with pytest.raises(AnotherOrchestrator, match="declares `orchestration: airflow`"):
        write_export("prefect", use_case(orchestration="airflow"), tmp_path / "prefect")
    assert not (tmp_path / "prefect").exists()


def test_a_tracker_that_only_dagsters_runs_open_is_refused_and_not_ignored() -> None:
    with pytest.raises(StepsUnsupported, match="not in wandb"):
        plan_export(use_case(tracking="wandb"))
