"""Old logs of runs go; what was materialized stays known to the bit."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.orchestration.due_runs import read_materialized
from platform_assets.orchestration.event_log import KeptConnectionsEventLogStorage
from platform_assets.orchestration.jobs import job_name
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.run_logs import remove_old_run_logs
from platform_assets.pipelines.due import tables_to_read
from platform_assets.pipelines.maintain import remove_old_reports

FOLDER = Path(__file__).parents[3] / "platform_assets" / "defs" / "card_fraud"
DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")
TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    overrides = {
        "event_log_storage": {
            "module": KeptConnectionsEventLogStorage.__module__,
            "class": KeptConnectionsEventLogStorage.__name__,
            "config": {"base_dir": str(tmp_path / "logs")},
        }
    }
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as one:
        yield one


def materialized(instance: dg.DagsterInstance, use_case: UseCase) -> list[str]:
    """Runs of two tables that `due` looks at, by day and as a whole; their ids."""
    runs = []
    for layer, table in tables_to_read(use_case)[:2]:

        @dg.asset(key=asset_key(use_case, layer, table), partitions_def=DAYS)
        def made() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"rows": 3})

        name = job_name(use_case, "load")
        definitions = dg.Definitions(assets=[made], jobs=[dg.define_asset_job(name, selection=[made])])
        job = definitions.resolve_job_def(name)
        for day in ("2024-01-01", "2024-01-02", "2024-01-01"):
            runs.append(job.execute_in_process(instance=instance, partition_key=day).run_id)
    return runs


def test_what_was_materialized_is_known_after_logs_went(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    use_case = load_use_case(FOLDER)
    runs = materialized(instance, use_case)
    before = read_materialized(use_case, instance)
    [layer, table], key = tables_to_read(use_case)[0], asset_key(use_case, *tables_to_read(use_case)[0])
    assert before[layer, table]
    shown = [record.asset_materialization for record in instance.fetch_materializations(key, limit=10).records]
    logs = instance.compute_log_manager.get_captured_local_path([runs[0], "compute_logs", "step"], "out")  # type: ignore[attr-defined]
    Path(logs).parent.mkdir(parents=True, exist_ok=True)
    Path(logs).write_text("what a step printed")

    named = remove_old_run_logs(instance, use_case, TOMORROW, dry_run=True)
    assert named.runs == len(runs) == len(set(runs))
    assert os.path.exists(logs)
    assert len(instance.all_logs(runs[0])) > 0

    removed = remove_old_run_logs(instance, use_case, TOMORROW)
    assert removed == named
    assert removed.bytes > 0
    assert not list((tmp_path / "logs").glob(f"{runs[0]}.db*"))
    assert not os.path.exists(logs)
    assert read_materialized(use_case, instance) == before
    assert [one.asset_materialization for one in instance.fetch_materializations(key, limit=10).records] == shown
    assert instance.get_run_by_id(runs[0]) is not None, "it stays listed"
    assert list(instance.all_logs(runs[0])) == []
    assert materialized(instance, use_case), "and everything goes on"
    assert remove_old_run_logs(instance, use_case, TOMORROW).runs == len(runs) + 1, "a page that is looked at is empty"


def test_logs_of_other_use_cases_of_young_runs_and_of_those_under_way_stay(instance: dg.DagsterInstance) -> None:
    use_case = load_use_case(FOLDER)

    @dg.asset(key=["another", "raw", "events"])
    def other() -> None:
        return None

    dg.materialize([other], instance=instance)
    runs = materialized(instance, use_case)
    assert remove_old_run_logs(instance, use_case, datetime.now(UTC) - timedelta(days=1)).runs == 0
    under_way = dg.DagsterRun(job_name=f"{use_case.name}__load", run_id=dg.DagsterRun(job_name="x").run_id)
    instance.add_run(under_way.with_status(dg.DagsterRunStatus.STARTED))
    assert remove_old_run_logs(instance, use_case, TOMORROW).runs == len(runs)


def test_reports_of_days_stay_for_so_many_days_before_the_newest(tmp_path: Path) -> None:
    for name in ("drift-2024-03-01", "drift-2024-02-20", "drift-2023-12-01", "model-card-3", "other-2023-12-01"):
        (tmp_path / f"{name}.html").write_text("page")
    assert remove_old_reports(tmp_path, 30, dry_run=True) == (1, 4)
    assert len(list(tmp_path.iterdir())) == 5
    assert remove_old_reports(tmp_path, 30) == (1, 4)
    assert sorted(path.stem for path in tmp_path.iterdir()) == [
        "drift-2024-02-20",
        "drift-2024-03-01",
        "model-card-3",
        "other-2023-12-01",
    ]
    assert remove_old_reports(tmp_path / "none", 30) == (0, 0)
