"""`orchestration`: what runs the pipelines.

Belongs here: its values. Does not belong here: Dagster's assets (`platform_assets/orchestration`), or exports (`pipelines/export`).
"""

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, ToolChoice
from platform_assets.members import MemberRegistry

_HELD_BY = "contracts/test_exported_projects.py::test_a_project_has_every_step_with_every_edge"
_LACKS = "sensors, gaps that are filled, freshness and upkeep of tables (docs/guide/other-orchestrators.md)"
DAGSTER = Option(
    "dagster",
    means="The asset graph of this platform, with its checks, schedules and sensors",
    own_keys=("freshness",),
    proven_by="graph/test_definitions.py::test_the_graph_is_as_it_was_reviewed",
)
AIRFLOW = Option(
    "airflow",
    means="A generated project runs the same pipelines under Airflow",
    is_exported=True,
    lacks=_LACKS,
    proven_by=_HELD_BY,
)
PREFECT = Option(
    "prefect",
    means="A generated project runs the same pipelines under Prefect",
    is_exported=True,
    lacks=_LACKS,
    proven_by=_HELD_BY,
)
KUBEFLOW = Option(
    "kubeflow",
    means="A generated project runs the same pipelines under Kubeflow Pipelines",
    is_exported=True,
    lacks=f"a run here (it is only compiled), {_LACKS}",
    proven_by=_HELD_BY,
)

_MODULE = "platform_assets.declaration.options.orchestration"
ORCHESTRATION: ToolChoice[Option] = ToolChoice(
    "orchestration",
    "What runs the pipelines",
    "dagster",
    MemberRegistry(
        "orchestrator",
        {
            "dagster": f"{_MODULE}:DAGSTER",
            "airflow": f"{_MODULE}:AIRFLOW",
            "prefect": f"{_MODULE}:PREFECT",
            "kubeflow": f"{_MODULE}:KUBEFLOW",
        },
    ),
)
OrchestrationName = Annotated[str, BeforeValidator(ORCHESTRATION.allowed), WithJsonSchema(ORCHESTRATION.schema)]
"""What `orchestration` may say."""
