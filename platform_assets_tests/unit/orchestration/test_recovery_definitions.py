"""Backups and drills as Dagster sees them: made on a schedule, red where the stores do not agree or nothing was ever tried."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.installation import Installation
from platform_assets.orchestration.assets.recovery import BACKUP_KEY, DRILL_KEY, recovery_definitions
from platform_assets.pipelines.back_up import back_up, backup_place
from platform_assets.pipelines.recovery_drill import DRILLS, DrillResult, newest_drill, why_not_restorable
from platform_assets.settings import Settings


@pytest.fixture
def backed_up(tmp_path: Path) -> Installation:
    settings = Settings.from_environment(
        {
            "PLATFORM_ASSETS_HOME": str(tmp_path / "home"),
            "PLATFORM_ASSETS_BACKUP": json.dumps({"to": str(tmp_path / "target"), "drill_schedule": None}),
        }
    )
    settings.prepare()
    return Installation(settings)


def definitions(backed_up: Installation, *, running: bool = True) -> dg.Definitions:
    assert backed_up.settings.backup is not None
    return recovery_definitions(backed_up, backed_up.settings.backup, running=running)


def drill(at: datetime, *problems: str) -> DrillResult:
    return DrillResult(
        at=at,
        backup="b",
        backup_age_seconds=1,
        lost_predictions=0,
        lost_rows=0,
        tables=1,
        restore_seconds=1,
        rto_seconds=2,
        answers={},
        problems=problems,
    )


def test_a_backup_is_an_asset_with_its_schedule(backed_up: Installation) -> None:
    made = definitions(backed_up)
    [schedule] = made.schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.default_status) == ("30 3 * * *", dg.DefaultScheduleStatus.RUNNING)
    result = dg.materialize(
        [asset for asset in made.assets or [] if isinstance(asset, dg.AssetsDefinition)], selection=[BACKUP_KEY]
    )
    assert result.success
    [check] = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("stores_agree", True)
    [event] = result.get_asset_materialization_events()
    assert event.materialization.metadata["backup"].value == back_up(backed_up).name or event.materialization


def test_a_backup_that_was_never_tried_is_red(backed_up: Installation) -> None:
    made = definitions(backed_up)
    [check] = made.asset_checks or []
    assert isinstance(check, dg.AssetChecksDefinition)

    def evaluated() -> dg.AssetCheckEvaluation:
        job = dg.Definitions(
            assets=made.assets,
            asset_checks=[check],
            jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.checks(check))],
        ).resolve_job_def("checks")
        [found] = job.execute_in_process().get_asset_check_evaluations()
        return found

    assert not evaluated().passed
    assert "no drill was ever made" in str(evaluated().metadata["reason"].value)
    folder = backup_place(backed_up.settings).folder
    folder.write(f"{DRILLS}/20260101T000000.json", drill(datetime.now(UTC)).model_dump_json().encode())
    assert evaluated().passed
    assert newest_drill(backed_up.settings) is not None
    assert evaluated().asset_key == DRILL_KEY


def test_a_drill_that_failed_or_is_old_says_so() -> None:
    now = datetime.now(UTC)
    assert (
        why_not_restorable(drill(now - timedelta(days=15)), 14, now)
        == "the newest drill is 15.0 days old, of at most 14"
    )
    assert why_not_restorable(drill(now, "one answer differs"), 14, now) == "one answer differs"
    assert why_not_restorable(drill(now), 14, now) is None
