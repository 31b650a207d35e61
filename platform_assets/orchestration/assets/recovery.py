"""Backups and drills as assets of an installation, with their checks, jobs and schedules.

Belongs here: what Dagster is told of them. Does not belong here: making a backup (`pipelines/back_up.py`), a drill
(`pipelines/recovery_drill.py`).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.lake.layout import MAINTENANCE
from platform_assets.pipelines.back_up import back_up, prune
from platform_assets.pipelines.recovery_drill import newest_drill, recovery_drill, why_not_restorable
from platform_assets.recovery.manifest import Manifest
from platform_assets.recovery.settings import BackupSettings

BACKUP_KEY = dg.AssetKey([MAINTENANCE, "backup"])
DRILL_KEY = dg.AssetKey([MAINTENANCE, "recovery_drill"])
GROUP = MAINTENANCE
OWNER = "team:platform"
BACKUP_WARN, BACKUP_FAIL = timedelta(hours=26), timedelta(hours=50)


def recovery_definitions(installation: Installation, wanted: BackupSettings, *, running: bool) -> dg.Definitions:
    """Assets, checks, jobs and schedules of an installation's backups.

    Args:
        installation: whose.
        wanted: its settings of backups.
        running: whether the schedules are on before somebody turns them on or off.
    """
    made, tried = backup_asset(installation), drill_asset(installation)
    jobs = {
        "backup": dg.define_asset_job(f"{MAINTENANCE}__backup", selection=[BACKUP_KEY]),
        "drill": dg.define_asset_job(f"{MAINTENANCE}__recovery_drill", selection=[DRILL_KEY]),
    }
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    crons = {"backup": wanted.schedule, "drill": wanted.drill_schedule}
    schedules = [
        dg.ScheduleDefinition(job=jobs[name], cron_schedule=cron, execution_timezone="UTC", default_status=status)
        for name, cron in crons.items()
        if cron is not None
    ]
    return dg.Definitions(
        assets=[made, tried],
        asset_checks=[restorable_check(installation, wanted)],
        jobs=list(jobs.values()),
        schedules=schedules,
    )


def backup_asset(installation: Installation) -> dg.AssetsDefinition:
    """A backup of everything, and what is not kept removed."""

    @dg.asset(
        key=BACKUP_KEY,
        group_name=GROUP,
        owners=[OWNER],
        description="Lake, registry, ledger, releases, prediction log and Dagster's memory as they agree with each other; only what "
        "changed is copied.",
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                "stores_agree",
                asset=BACKUP_KEY,
                description="Each champion of the registry is the one of the ledger, and what serves by the ledger lies in the home.",
            )
        ],
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=BACKUP_FAIL, warn_window=BACKUP_WARN),
    )
    def backup(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        manifest = back_up(installation)
        pruned = prune(installation, dry_run=False)
        context.log.info(
            f"backup {manifest.name}: {manifest.new_bytes:,} new bytes, {len(pruned.removed)} backups removed"
        )
        agree = dg.AssetCheckResult(
            check_name="stores_agree",
            passed=not manifest.disagreements,
            metadata={"disagreements": list(manifest.disagreements)},
        )
        return dg.MaterializeResult(metadata=_metadata(manifest), check_results=[agree])

    return backup


def drill_asset(installation: Installation) -> dg.AssetsDefinition:
    """The newest backup tried."""

    @dg.asset(
        key=DRILL_KEY,
        deps=[BACKUP_KEY],
        group_name=GROUP,
        owners=[OWNER],
        description="The newest backup restored beside the installation: its services answer logged requests again, and answers are "
        "compared to the bit.",
        code_version="1",
    )
    def drill(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        result = recovery_drill(installation, context.log.info)
        compared = sum(found["compared"] for found in result.answers.values())
        equal = sum(found["equal"] for found in result.answers.values())
        return dg.MaterializeResult(
            metadata={
                "backup": result.backup,
                "rto_seconds": result.rto_seconds,
                "restore_seconds": result.restore_seconds,
                "lost_predictions": result.lost_predictions,
                "lost_rows": result.lost_rows,
                "backup_age_seconds": result.backup_age_seconds,
                "answers_compared": compared,
                "answers_equal": equal,
                "problems": list(result.problems),
            }
        )

    return drill


def restorable_check(installation: Installation, wanted: BackupSettings) -> dg.AssetChecksDefinition:
    """Red where the newest drill failed, is too old, or was never made."""

    @dg.asset_check(asset=DRILL_KEY, description="The newest drill passed, and is not too old.")
    def restorable(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        result = newest_drill(installation.settings)
        wrong = why_not_restorable(result, wanted.drill_days, datetime.now(UTC))
        metadata = {
            "reason": wrong or "restored, and answers are equal to the bit",
            "newest": "none" if result is None else result.at.isoformat(),
        }
        return dg.AssetCheckResult(passed=wrong is None, metadata=metadata)

    return restorable


def _metadata(manifest: Manifest) -> dict[str, dg.MetadataValue | int | float | str]:
    return {
        "backup": manifest.name,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "new_bytes": manifest.new_bytes,
        "seconds": manifest.seconds,
        "tables": dg.MetadataValue.json({path: table.version for path, table in manifest.tables.items()}),
        "champions": dg.MetadataValue.json(dict(manifest.champions)),
    }
