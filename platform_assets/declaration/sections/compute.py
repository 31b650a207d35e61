"""What steps and services need of a machine.

Belongs here: the declared sizes and which of them counts for a step. Does not belong here: what Kubernetes is told of them.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from platform_assets.declaration.base import Declaration

ComputeKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(default|service|(raw|clean|quarantine|history|profile|features|training|model|serving|predictions|monitoring"
        r"|experiments|maintenance)(/[a-z][a-z0-9_]{0,62})?)$"
    ),
]
"""`default`, a layer, `layer/table`, or `service`."""

Priority = Literal["low", "normal", "high"]
"""Who goes first where there is not enough for all."""

DEFAULT: Final = "default"
SERVICE_PODS: Final = "service"


class Replicas(Declaration):
    """How many pods answer."""

    least: int = Field(default=1, ge=1, description="Pods at the quietest hour.")
    most: int = Field(default=1, ge=1, description="Pods under the heaviest load.")
    in_flight: int = Field(
        default=20, ge=1, description="Requests under way in one pod, on average, from which a further pod is started."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.most < self.least:
            raise ValueError(f"most {self.most} is below least {self.least}")
        return self


class Compute(Declaration):
    """What a step, or a pod that answers, needs of a machine; used on Kubernetes, without effect elsewhere."""

    cpus: float = Field(default=2.0, gt=0, description="CPU cores.")
    memory_gigabytes: float = Field(default=4.0, gt=0, description="Memory, in GB (10^9 bytes).")
    gpus: int = Field(default=0, ge=0, description="NVIDIA GPUs, or parts of them as `gpu_sharing` says.")
    gpu_sharing: (
        Literal["whole", "time_slice", "dra"]
        | Annotated[str, StringConstraints(pattern=r"^mig-[1-7]g\.[0-9]+gb(\.me)?$")]
    ) = Field(
        default="whole",
        description="`whole`: GPUs of its own. `mig-1g.10gb` and the like: that MIG profile of one. `time_slice`: turns on a shared one, "
        "without walls between memories. `dra`: as the ResourceClaimTemplate of the node class says.",
    )
    priority: Priority = Field(
        default="normal",
        description="Who goes first: in Dagster's queue of runs, and among pods where the cluster is full.",
    )
    node_class: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")] | None = Field(
        default=None,
        description="Only nodes with the label `platform-assets/node-class` of this value; their taint of that name is tolerated.",
    )
    spot: bool = Field(
        default=False, description="Whether it may run on nodes that are taken away at any time, and prefers them."
    )
    timeout_minutes: int | None = Field(
        default=None, ge=1, description="A step that runs longer is ended; absent means never."
    )
    retry_timeouts: int = Field(
        default=0, ge=0, le=5, description="How often a step that was ended for its time is started again."
    )
    retry_evictions: int = Field(
        default=5,
        ge=0,
        le=100,
        description="How often a step is started again whose pod was evicted, preempted, or lost with its node.",
    )
    on: Literal["job", "ray", "train_job"] = Field(
        default="job",
        description="Where a training step works: `job`, in its own pod; `ray`, on a Ray cluster of its own (KubeRay); `train_job`, "
        "as a Kubeflow TrainJob. For `model` only.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Pods beside the head of the Ray cluster, each of this size. For `on: ray` only.",
    )
    replicas: Replicas | None = Field(default=None, description="How many pods answer. For `service` only.")

    @model_validator(mode="after")
    def _workers_are_rays(self) -> Self:
        if self.workers > 1 and self.on != "ray":
            raise ValueError(f"workers {self.workers} need `on: ray`; a step by itself works in one pod")
        return self

    @model_validator(mode="after")
    def _sharing_needs_gpus(self) -> Self:
        if self.gpu_sharing != "whole" and not self.gpus:
            raise ValueError(f"gpu_sharing {self.gpu_sharing!r} needs `gpus` of at least 1")
        if self.gpu_sharing == "dra" and self.node_class is None:
            raise ValueError(
                "gpu_sharing 'dra' needs a `node_class`: it names the ResourceClaimTemplate `platform-assets-gpu-NODE_CLASS`"
            )
        return self


def chosen_compute(declared: Mapping[str, Compute], layer: str, table: str | None = None) -> Compute | None:
    """The most specific entry: that of the table, of its layer, `default`; None where there is none.

    Args:
        declared: the section `compute`.
        layer: a layer, or `service`, for which `default` does not count.
        table: a table of the layer.
    """
    keys = [f"{layer}/{table}"] if table else []
    keys += [layer] if layer == SERVICE_PODS else [layer, DEFAULT]
    return next((declared[key] for key in keys if key in declared), None)
