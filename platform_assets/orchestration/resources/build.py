"""All resources of an installation.

Belongs here: settings to resources, in one mapping that a test can replace in part. Does not belong here: anything
about a use case.
"""

from typing import Any

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.orchestration.measured_steps import measured_in_process_executor
from platform_assets.orchestration.resources.tracking import TrackingAddress, tracker_resource
from platform_assets.settings import Settings

EXPERIMENT = "platform_assets"


def build_resources(installation: Installation) -> dict[str, Any]:
    """Resources by key: the installation's own parts, which have no configuration, so that no page and no run shows a secret.

    Args:
        installation: the installation.
    """
    settings = installation.settings
    models = installation.models  # first: it lends the object store's keys to the tracker's client
    return {
        "capacity": installation.capacity,
        "clock": installation.clock,
        "home": settings.home,
        "lake": installation.lake,
        "sources": installation.sources,
        "feast": installation.feature_store,
        "mlflow": tracker_resource(tracking_address(settings)),
        "models": models,
        "serving": installation.serving,
        **({"releases": installation.releases} if settings.gitops is not None else {}),
    }


def tracking_address(settings: Settings) -> TrackingAddress:
    """Where runs are tracked."""
    beside = str(settings.home / "tracking")
    return TrackingAddress(settings.mlflow, settings.mlflow_artifacts, EXPERIMENT, beside)


def build_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Where steps execute. dagster-k8s is imported only where it is asked for: it costs seconds."""
    if settings.executor == "in_process":
        return measured_in_process_executor
    if settings.executor == "multiprocess":
        return dg.multiprocess_executor
    from platform_assets.orchestration.kubernetes.steps import declared_k8s_executor

    return declared_k8s_executor
