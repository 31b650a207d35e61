"""A use case as a project of Prefect.

Belongs here: its files. Does not belong here: the plan, or running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from platform_assets.pipelines.export.plan import ExportPlan
from platform_assets.pipelines.export.rendering import project_file, what_is_missing

_REQUIREMENTS = "prefect==3.9.1\n"
_ENVIRONMENT = """\
# Prefect's state in this folder, and that it reports to nobody. Use with: . ./environment.sh
export PREFECT_HOME="${PREFECT_HOME:-$PWD/prefect-home}"
export PREFECT_SERVER_ANALYTICS_ENABLED=false
export PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY=false
export DO_NOT_TRACK=1
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=600 # 20 are too few on a busy machine
"""


@dataclass(frozen=True)
class PrefectProject:
    """A flow, and the runner of its tasks."""

    def files(self, plan: ExportPlan) -> Mapping[str, str]:
        """The text of each file, by its path."""
        minutes = [f"{seconds // 60}" for seconds in plan.waits_seconds]
        retries = (
            f"a step that failed otherwise is tried {len(minutes)} times again, after {', '.join(minutes)} minutes"
        )
        missing = what_is_missing(plan, "prefect", retries)
        return {
            "README.md": project_file("prefect_readme.md.j2", plan, missing=missing),
            "requirements.txt": _REQUIREMENTS,
            "environment.sh": _ENVIRONMENT,
            f"{plan.use_case}_flow.py": project_file("prefect_flow.py.j2", plan),
            f"{plan.use_case}_step.py": project_file("platform_step.py.j2", plan),
        }

    def how_to_run(self, plan: ExportPlan) -> str:
        """What to type."""
        return f". ./environment.sh; python {plan.use_case}_flow.py --as-of DAY --since {plan.first_day}"


PREFECT: Final = PrefectProject()
