"""A use case as a pipeline of Kubeflow.

Belongs here: its files. Does not belong here: the plan, or compiling it, which needs Kubeflow's own package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from platform_assets.pipelines.export.plan import ExportPlan
from platform_assets.pipelines.export.rendering import project_file, what_is_missing

_REQUIREMENTS = "kfp==2.17.3\n"
_RETRIES = 2
"""Fewer than the automation's: the verdict of a gate waits for all of them."""


@dataclass(frozen=True)
class KubeflowProject:
    """A pipeline of container steps."""

    def files(self, plan: ExportPlan) -> Mapping[str, str]:
        """The text of each file, by its path."""
        retries = f"a step that failed is tried {_RETRIES} times again, a red gate too, after 1 minute and then 4 times as long each time"
        missing = what_is_missing(plan, "kubeflow", retries)
        return {
            "README.md": project_file("kubeflow_readme.md.j2", plan, missing=missing),
            "requirements.txt": _REQUIREMENTS,
            f"{plan.use_case}_pipeline.py": project_file("kubeflow_pipeline.py.j2", plan, retries=_RETRIES),
        }

    def how_to_run(self, plan: ExportPlan) -> str:
        """What to type."""
        return f"python {plan.use_case}_pipeline.py    # writes {plan.use_case}.yaml, to upload"


KUBEFLOW: Final = KubeflowProject()
