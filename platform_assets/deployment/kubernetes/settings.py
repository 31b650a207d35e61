"""Where on which cluster services answer, as an installation says it.

Belongs here: the fields of the setting `PLATFORM_ASSETS_KUBERNETES`, each checked by itself and against the others. Does not belong here:
reading the environment (`settings.py`), and what a use case declares about its pods (`declaration/sections/compute.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""A name as most objects of a cluster have it: RFC 1123, at most 63 characters."""
DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
"""The same with points, at most 253 characters."""
HttpAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
"""An address without user, query and fragment."""
Port = Annotated[int, Field(ge=1, le=65535)]
PinnedImage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][\w.\-/:]*@sha256:[0-9a-f]{64}$")]
"""An image that nobody can replace: by its digest, whatever tag stands before it."""

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/\S*)?")


class Toleration(BaseModel):
    """A taint that pods put up with."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: str = Field(min_length=1)
    value: str | None = Field(default=None, description="Of the taint; absent for any.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class NodeClass(BaseModel):
    """What a name that use cases declare as `node_class` means on this cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    labels: Mapping[str, str] = Field(default_factory=dict, description="Labels of the nodes that are meant.")
    tolerations: tuple[Toleration, ...] = ()


class ClusterSettings(BaseModel):
    """Everything that `PLATFORM_ASSETS_KUBERNETES` says, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    namespace: DnsLabel = Field(description="Where everything lies; it has to exist.")
    kubeconfig: Path | None = Field(default=None, description="Absent: the pod's own account, or `~/.kube/config`.")
    context: str | None = Field(default=None, min_length=1, description="Of the kubeconfig; absent: its current one.")
    service_account: DnsLabel = Field(default="platform-assets-serving", description="That pods which answer run as.")

    images: Literal["runtime", "bento"] = Field(
        default="runtime",
        description="`runtime`: one image for all releases, and each release as an archive; `bento`: an image for each release.",
    )
    runtime_image: PinnedImage = Field(description="By digest: `registry.example/serving@sha256:...`.")
    image_pull_secrets: tuple[DnsName, ...] = ()
    releases: str = Field(
        description="Where archives of releases are kept: `s3://bucket/prefix`, or a folder, which is then the mount of `release_claim`."
    )
    keep_releases: int = Field(
        default=5,
        ge=2,
        description="Archives of each use case that are kept: of the releases that served last. The one that serves, the one before it and "
        "those of a rollout are always kept.",
    )
    release_claim: DnsName | None = Field(default=None, description="PersistentVolumeClaim that has `releases`.")
    node_cache_gigabytes: float = Field(
        default=20.0,
        gt=0,
        description="GB (10^9 bytes) of archives that are kept on a node; those that were not used for longest go first.",
    )
    node_cache_folder: str | None = Field(
        default=None,
        description="Folder of the nodes that archives are kept in for the next pod; it has to exist and be writable for `user`, and the "
        "namespace has to admit hostPath. Absent: each pod fetches its archive.",
    )
    log_claim: DnsName | None = Field(
        default=None, description="PersistentVolumeClaim (ReadWriteMany) of the prediction log."
    )
    log_folder: str = Field(
        default="/var/lib/platform-assets/prediction-log",
        description="Where pods have it, and every reader of the log.",
    )
    credentials_secret: DnsName | None = Field(
        default=None,
        description="Secret whose logins of the online store and Feast's registry pods read while they run, so that a new password counts "
        "without a new start; PLATFORM_ASSETS_SECRETS names the same folder.",
    )
    credentials_folder: str = Field(
        default="/run/platform-assets/credentials", description="Where pods have it, and the platform's own pods."
    )
    shared_paths: Mapping[str, DnsName] = Field(
        default_factory=dict,
        description="Folders that pods have at the same path as this machine, and the PersistentVolumeClaim (ReadWriteMany) of each.",
    )

    gateway: DnsName = Field(description="The Gateway that use cases answer behind.")
    gateway_namespace: DnsLabel
    gateway_section: DnsName | None = Field(default=None, description="Its listener; absent: all that admit routes.")
    gateway_metrics: HttpAddress | None = Field(
        default=None, description="Prometheus text of the gateway's Envoys; rollouts by verdict count with it."
    )
    gateway_pods: Mapping[str, str] = Field(
        default_factory=dict,
        description="For `routes: istio`: labels of the gateway's pods; absent: `istio: ingressgateway`.",
    )
    hostnames: tuple[DnsName, ...] = Field(default=(), description="Hosts that routes are for; absent: every one.")
    address: HttpAddress = Field(description="Where callers reach the gateway, without a trailing slash.")
    routes: Literal["gateway_api", "istio"] = "gateway_api"
    retries: Literal["none", "http_route", "envoy_gateway"] = Field(
        default="none",
        description="How requests that got no answer are repeated: `http_route` needs the Gateway API's experimental channel, "
        "`envoy_gateway` its BackendTrafficPolicy; Istio repeats by itself.",
    )
    request_timeout_seconds: float = Field(default=15.0, gt=0, le=3600)

    priority_class: DnsName | None = Field(default=None, description="Of pods that answer.")
    node_classes: Mapping[str, NodeClass] = Field(
        default_factory=dict,
        description="What declared `node_class`es, and `spot`, mean here. Absent: nodes with the label `platform-assets/node-class`, and a "
        "taint of that name; for spot the label and taint `platform-assets/spot=true`.",
    )
    user: int = Field(default=65532, ge=10000, le=2**31 - 1, description="User and group of pods, never root.")
    pre_stop: Literal["sleep", "exec"] = Field(
        default="sleep", description="How a pod waits before it ends; `exec` for clusters before 1.30."
    )
    drain_seconds: int = Field(
        default=5,
        ge=0,
        le=300,
        description="A pod answers for so long after it was told to end: gateways learn of it later.",
    )
    start_timeout_seconds: int = Field(default=180, ge=5, le=3600)
    network_policy: bool = True
    metrics_namespaces: tuple[DnsLabel, ...] = Field(
        default=(), description="Namespaces whose pods may read the metrics of ours, such as Prometheus'."
    )
    store_ports: tuple[Port, ...] = Field(
        default=(443, 4317, 4318, 5432, 6379, 9092),
        description="Ports that pods may reach elsewhere: online store, registry, object store, brokers, telemetry.",
    )
    in_flight_metric: str = Field(
        default="bentoml_service_request_in_progress",
        min_length=1,
        description="Pods metric of requests in flight, as the cluster's metrics adapter calls it.",
    )
    reach: Literal["pod_address", "api"] = Field(
        default="pod_address", description="How self-tests reach pods: directly, or through the API's proxy."
    )

    @field_validator("address")
    @classmethod
    def _without_slash(cls, address: str) -> str:
        return address.rstrip("/")

    @field_validator("log_folder", "node_cache_folder", "credentials_folder")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        if path is not None and not _is_plain_folder(path):
            raise ValueError("must be an absolute path without `..`")
        return path

    @field_validator("shared_paths")
    @classmethod
    def _absolute_paths(cls, claims: Mapping[str, str]) -> Mapping[str, str]:
        for path in claims:
            if not _is_plain_folder(path):
                raise ValueError("paths must be absolute, without `..`")
        return claims

    @field_validator("releases")
    @classmethod
    def _folder_or_bucket(cls, releases: str) -> str:
        if not _BUCKET.fullmatch(releases) and not _is_plain_folder(releases):
            raise ValueError("must be s3://bucket/prefix or an absolute folder")
        return releases

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        in_folder = not self.releases.startswith("s3://")
        if in_folder and self.release_claim is None and self.images == "runtime":
            raise ValueError(
                "releases is a folder: release_claim must name the PersistentVolumeClaim that pods have it by"
            )
        if not in_folder and self.release_claim is not None:
            raise ValueError("release_claim names a claim, and releases lies in a bucket: leave one of them out")
        if self.routes == "istio" and self.retries != "none":
            raise ValueError("retries is of routes gateway_api; Istio's VirtualService repeats by itself")
        if self.gateway_pods and self.routes != "istio":
            raise ValueError("gateway_pods is of routes istio")
        return self


def _is_plain_folder(path: str) -> bool:
    return path.startswith("/") and path != "/" and ".." not in PurePosixPath(path).parts and "\n" not in path
