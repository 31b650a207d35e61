"""The page of a use case's rollouts, as an asset.

Belongs here: what Dagster is told of it. Does not belong here: the page (`pipelines/write_rollout_page.py`), or advancing one
(`orchestration/rollout_sensor.py`).
"""

from dataclasses import asdict
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import DEPLOYMENT, ROLLOUT
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.layout import SERVING
from platform_assets.monitoring.rollout_page import plot_rollout
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, picture, place, written_page
from platform_assets.pipelines.use_case_state.links import report_path
from platform_assets.pipelines.write_rollout_page import write_rollout_page


def rollout_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Weights, evidence and verdicts over time, with every decision; the sensor makes it anew after each."""

    @dg.asset(
        key=asset_key(use_case, SERVING, ROLLOUT),
        deps=[dg.AssetDep(asset_key(use_case, SERVING, DEPLOYMENT), partition_mapping=dg.LastPartitionMapping())],
        description="Rollouts in stages: what the new version got, what was known of it, and who decided what.",
        kinds={"envoy"},
        code_version="1",
        op_tags=step_tags(use_case, SERVING, ROLLOUT),
        **place(use_case, SERVING),
    )
    def rollout(serving: dg.ResourceParam[ServingHome]) -> dg.MaterializeResult:
        path, looks = write_rollout_page(use_case.name, serving)
        metadata: dict[str, Any] = {
            **written_page(serving, "page", path, report_path(use_case, path.name)),
            "looks": len(looks),
        }
        if not looks:
            return dg.MaterializeResult(metadata=metadata)
        last = looks[-1]
        newest = [asdict(look) for look in looks if look.arm == last.arm]
        return dg.MaterializeResult(
            metadata={
                **metadata,
                "rollout": f"{last.new} beside {last.old}",
                "stage": f"{last.step} of {last.steps}, {last.phase}",
                "weight_percent": last.weight,
                "outcome": last.outcome,
                "explanation": last.sentence,
                "over_time": picture(plot_rollout(newest)),
            }
        )

    return rollout
