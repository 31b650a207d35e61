"""The orchestrators that a use case is exported to.

Belongs here: the narrow Protocol and the list. Does not belong here: any orchestrator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from platform_assets.members import MemberRegistry
from platform_assets.pipelines.export.plan import ExportPlan


class ForeignOrchestrator(Protocol):
    """An orchestrator that is given a project."""

    def files(self, plan: ExportPlan) -> Mapping[str, str]:
        """The text of each file of the project, by its path."""
        ...

    def how_to_run(self, plan: ExportPlan) -> str:
        """What to type, for the end of the export, a line each."""
        ...


_HERE = "platform_assets.pipelines.export"
ORCHESTRATORS: Final[MemberRegistry[ForeignOrchestrator]] = MemberRegistry(
    "orchestrator",
    {
        "airflow": f"{_HERE}.airflow:AIRFLOW",
        "prefect": f"{_HERE}.prefect:PREFECT",
        "kubeflow": f"{_HERE}.kubeflow:KUBEFLOW",
    },
)
"""Dagster is none of them: it is what the platform itself is told to."""
