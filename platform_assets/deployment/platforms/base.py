"""What every serving platform is to us: something that a model is packaged for.

Belongs here: the Protocol, what goes in and what comes out. Does not belong here: any platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from platform_assets.declaration import UseCase
from platform_assets.deployment.errors import DeploymentError

if TYPE_CHECKING:
    from platform_assets.deployment.packaging import BuiltBento
    from platform_assets.training.learners.base import Matrix
    from serving.settings import ServingSettings

TOLERANCE = 1e-6
"""Largest difference between a score of a packaged file and our own; of values above 1 as a share of the largest, because trees are
added up in single precision."""
Features = Literal["caller", "service"]
"""Who computes the features: whoever asks, or our own service, which is packed whole."""


class PlatformRefused(DeploymentError):
    """A platform for which this model cannot be packaged, or nothing at all; the message says why and what can be done."""


@dataclass(frozen=True)
class ModelToPackage:
    """What is packaged.

    Attributes:
        use_case: the declaration.
        version: of the registered model.
        model_folder: the model (see `training/artifact.py`).
        rows: float64 [n, f], real rows by which each file is compared with the model; NaN is missing.
        bento: its Bento; None where none was built.
        settings: of the service's process, which may hold passwords; None without a Bento.
    """

    use_case: UseCase
    version: str
    model_folder: Path
    rows: Matrix
    bento: BuiltBento | None = None
    settings: ServingSettings | None = None

    @property
    def resource_name(self) -> str:
        """What the platform's objects are called: a name of Kubernetes."""
        return self.use_case.name.replace("_", "-")


@dataclass(frozen=True)
class PackageSettings:
    """What a package needs to know of the place it is for.

    Attributes:
        storage_uri: where its `files/` will lie: `s3://bucket/prefix`, `gs://...`, `pvc://claim/path`.
        namespace: of its objects.
        image: of our runtime, for a package with our own service.
        features: who computes the features.
        canary_percent: share of the requests that the new version gets at first; None for all.
        service_account: by which the platform reads the files; empty for its default.
        log_claim: volume claim that our own service writes its prediction log to.
    """

    storage_uri: str
    namespace: str = "default"
    image: str = ""
    features: Features = "caller"
    canary_percent: int | None = None
    service_account: str = ""
    log_claim: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", self.storage_uri):
            raise PlatformRefused(
                f"storage URI {self.storage_uri!r} is none: give a scheme and a place, such as s3://bucket/models or pvc://claim/models"
            )
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", self.namespace):
            raise PlatformRefused(
                f"namespace {self.namespace!r} is no name of Kubernetes: lower-case letters, digits and -"
            )
        if self.canary_percent is not None and not 0 <= self.canary_percent <= 100:
            raise PlatformRefused(f"a canary share of {self.canary_percent} is no percentage: give 0 to 100")


@dataclass(frozen=True)
class PlatformPackage:
    """What was written.

    Attributes:
        files: what the platform reads from `storage_uri`, relative to the folder `files/` of the package, in order.
        manifests: objects for Kubernetes, in the order in which they are applied; empty for a platform without.
        notes: what whoever applies it has to know, one sentence each.
        scored: largest difference of the file's scores from ours, and the runtime that scored; None where no runtime reads the file here.
    """

    files: tuple[str, ...]
    manifests: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    scored: tuple[float, str] | None = None


class Platform(Protocol):
    """A serving platform."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """Write the platform's files into the folder `out`, which exists and is empty; the same model gives the same bytes.

        Raises:
            PlatformRefused: nothing can be made, or a file does not score as the model does.
        """
        ...
