"""What an arm of the Kubernetes target is made from, as values.

Belongs here: everything that the objects of an arm are rendered from. Does not belong here: rendering (`manifests/`), and how a release is
translated for a pod.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_assets.declaration.sections.callers import Callers
from platform_assets.declaration.sections.compute import Compute

POD_ADDRESS = "$(POD_IP)"
"""In commands and variables: the pod's own address, known once it runs."""
PORT = 3000
"""What every service listens on; each pod has an address of its own."""
RELEASE_FOLDER = "/release"


@dataclass(frozen=True)
class StoredArchive:
    """A release as it lies in the store of releases.

    Attributes:
        digest: `sha256:` and 64 hexadecimal digits, of the archive's bytes.
        uri: where it lies.
    """

    digest: str
    uri: str


@dataclass(frozen=True)
class ArmSpec:
    """One version of a use case, in a cluster's terms.

    Attributes:
        use_case: its name.
        name: of the arm and of its objects, see `naming.arm_name`.
        version: the release's version.
        fingerprint: the release's fingerprint.
        command: program and arguments as they are in the pod: below `/release`, on `POD_ADDRESS` and `PORT`.
        environment: variables of the service; may hold secrets.
        ready_path: answers 200 once the service can score.
        working_dir: as it is in the pod.
        live_path: answers 200 while the process works, whatever becomes of the stores; None checks the port alone.
        replicas: pods, where no range is declared.
        compute: what each pod may use, and how many there may be.
        archive: the release; None where `image` has it.
        image: by digest, in place of the runtime image.
        callers: who may call it.
    """

    use_case: str
    name: str
    version: str
    fingerprint: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready_path: str
    working_dir: str = RELEASE_FOLDER
    live_path: str | None = None
    replicas: int = 1
    compute: Compute = field(default_factory=Compute)
    archive: StoredArchive | None = None
    image: str | None = None
    callers: Callers = field(default_factory=Callers)

    @property
    def pods_at_least(self) -> int:
        """Pods that it has at the quietest hour."""
        return self.replicas if self.compute.replicas is None else self.compute.replicas.least


@dataclass(frozen=True)
class BesideSpec:
    """What runs beside the services and answers nobody, in a cluster's terms; as `ArmSpec` where names are equal."""

    use_case: str
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    working_dir: str = RELEASE_FOLDER
    compute: Compute = field(default_factory=Compute)
    archive: StoredArchive | None = None
    image: str | None = None


def expandable(text: str) -> str:
    """A text as the kubelet has to be given it, which expands `$(NAME)` and `$$`: only the pod's address is expanded."""
    return POD_ADDRESS.join(re.sub(r"\$(?=[$(])", "$$", part) for part in text.split(POD_ADDRESS))
