"""All resources of an installation.

Belongs here: settings to resources, in one mapping that a test can replace in part. Does not belong here: anything
about a use case.
"""

from typing import Any, cast

import dagster as dg

from platform_assets.installation import Settings
from platform_assets.orchestration.resources.feast import FeastResource
from platform_assets.orchestration.resources.lake import LakeResource
from platform_assets.orchestration.resources.mlflow import mlflow_resource
from platform_assets.orchestration.resources.models import ModelsResource
from platform_assets.orchestration.resources.serving import ServingResource
from platform_assets.orchestration.resources.sources import SourcesResource


def build_resources(settings: Settings) -> dict[str, Any]:
    """Resources by key.

    Args:
        settings: the installation's settings.
    """
    return {
        "lake": LakeResource(root=settings.lake),
        "sources": SourcesResource(simulation=settings.simulation),
        "feast": FeastResource(
            registry=settings.feast_registry,
            online_store=settings.feast_online_store,
            home=str(settings.home / "feast"),
        ),
        "mlflow": mlflow_resource(settings.mlflow, settings.mlflow_artifacts, "platform_assets"),
        "models": ModelsResource.from_settings(settings),
        "serving": ServingResource(home=str(settings.home), port=settings.port),
    }


def build_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Where steps execute. dagster-k8s is imported only where it is asked for: it costs seconds."""
    if settings.executor == "multiprocess":
        return dg.multiprocess_executor
    from dagster_k8s import k8s_job_executor

    return cast(dg.ExecutorDefinition, k8s_job_executor)
