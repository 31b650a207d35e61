"""What the target remembers, in a ConfigMap of its namespace.

Belongs here: what this target remembers of an arm beside what every target does (`deployment/remembered.py`), and changing the ConfigMap by
compare-and-set. Does not belong here: who may change it (`lease.py`), and anything that the API can be asked for (pods, readiness).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from platform_assets.declaration.sections.callers import Callers
from platform_assets.declaration.sections.compute import Compute
from platform_assets.deployment.errors import StateUnreadable, TargetBusy
from platform_assets.deployment.kubernetes.api_errors import StaleObject
from platform_assets.deployment.kubernetes.arms import ArmSpec, BesideSpec, StoredArchive
from platform_assets.deployment.kubernetes.client import ClusterClient
from platform_assets.deployment.kubernetes.kinds import CONFIG_MAP
from platform_assets.deployment.kubernetes.naming import COMPONENT_LABEL, FIELD_MANAGER, PART_OF
from platform_assets.deployment.remembered import RememberedArm, RememberedTarget, RememberedUseCase, Stored

STATE = "platform-assets-target"
"""Name of the ConfigMap."""
KEY = "state.json"
TRIES = 5
"""So often a change is sent again that the API refused as late, though nobody was earlier."""


class ClusterArm(RememberedArm):
    """One version of one use case that has pods. Its environment is in a Secret only: it may hold passwords.

    Attributes:
        command, working_dir: as they are in the pod.
        addressed: those variables that hold the pod's address: a Secret's values are not expanded.
        processes: pods, where no range is declared.
    """

    command: tuple[str, ...]
    working_dir: str
    addressed: dict[str, str] = Field(default_factory=dict)
    processes: int = 1
    compute: Compute | None = None
    archive: StoredArchive | None = None
    image: str | None = None

    def spec(self, use_case: str, environment: Mapping[str, str] | None = None) -> ArmSpec:
        """What the arm's objects are rendered from; without an environment all but its Secret."""
        return ArmSpec(
            use_case=use_case,
            name=self.name,
            version=self.version,
            fingerprint=self.fingerprint,
            command=self.command,
            environment=self.addressed if environment is None else environment,
            ready_path=self.ready_path,
            working_dir=self.working_dir,
            replicas=self.processes,
            compute=self.compute or Compute(),
            archive=self.archive,
            image=self.image,
            callers=self.callers or Callers(),
        )


class BesideState(Stored):
    """A process that answers no requests; its environment is in a Secret only.

    Attributes:
        object_name: of its Deployment and its Secret.
        command, working_dir, addressed: as of an arm.
    """

    name: str
    object_name: str
    command: tuple[str, ...]
    working_dir: str
    addressed: dict[str, str] = Field(default_factory=dict)

    def spec(self, environment: Mapping[str, str] | None = None) -> BesideSpec:
        """What its objects are rendered from; without an environment all but its Secret."""
        given = self.addressed if environment is None else environment
        return BesideSpec(self.name, self.object_name, self.command, given, self.working_dir)


ClusterUseCase = RememberedUseCase[ClusterArm]


class ClusterState(RememberedTarget[ClusterArm]):
    """Everything the target remembers between two commands.

    Attributes:
        stopped: it was stopped on purpose, what was deployed is to come back with the next command.
        beside: processes that answer no requests, by name.
    """

    stopped: bool = False
    beside: dict[str, BesideState] = Field(default_factory=dict)

    def archive_digests(self) -> set[str]:
        """Digests of the archives that arms are started from."""
        return {arm.archive.digest for _, arm in self.arms() if arm.archive is not None}

    def kept_arms(self, use_case: str) -> set[str]:
        """Names of the arms that are to have pods: those with requests or copies, and both of a rollout that waits or turns back."""
        stored = self.use_case(use_case)
        kept = {arm.name for arm in stored.arms if arm.weight or arm.name == stored.mirror}
        if stored.rollout is not None and stored.rollout.old is not None:
            kept.add(stored.rollout.old)
            kept |= {stored.rollout.new} if stored.rollout.waiting else set()
        return kept

    @classmethod
    def _never_deployed(cls) -> ClusterUseCase:
        return ClusterUseCase()


class StateMap:
    """The state as the cluster has it; every change reaches the ConfigMap before it is acted on."""

    def __init__(self, client: ClusterClient) -> None:
        """Describe it; nothing is read.

        Args:
            client: of the namespace.
        """
        self._client = client
        self._stored: dict[str, Any] | None = None
        self.state = ClusterState()

    @property
    def target_id(self) -> str:
        """Tells this target from every other one, also of another cluster; empty while nothing was ever deployed."""
        return "" if self._stored is None else str(self._stored["metadata"].get("uid", ""))

    def load(self) -> ClusterState | None:
        """Read it; None when nothing was ever deployed.

        Raises:
            StateUnreadable: it is damaged.
            ClusterRefused: the API does not answer, or refuses.
        """
        self._stored = self._client.read(CONFIG_MAP, STATE)
        if self._stored is None:
            self.state = ClusterState()
            return None
        text = self._stored.get("data", {}).get(KEY, "")
        try:
            self.state = ClusterState.model_validate_json(text)
        except ValidationError as error:
            raise StateUnreadable(
                f"ConfigMap {self._client.namespace}/{STATE} cannot be read: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}. "
                "Delete it, `platform-assets target prune --yes` then removes what it knew of, and deploy again."
            ) from error
        return self.state

    def put(self, state: ClusterState) -> ClusterState:
        """Replace the state, if it is still as this object read or wrote it.

        Raises:
            TargetBusy: another command changed it: this one has lost the target's lock.
            ClusterRefused: the API does not answer, or refuses.
        """
        data = {KEY: state.model_dump_json()}
        labels = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/managed-by": FIELD_MANAGER}
        labels[COMPONENT_LABEL] = "target"
        metadata: dict[str, Any] = {"name": STATE, "namespace": self._client.namespace, "labels": labels}
        body = {"apiVersion": CONFIG_MAP.version, "kind": CONFIG_MAP.name, "metadata": metadata, "data": data}
        for _ in range(TRIES):
            try:
                self._stored = self._write(body)
                break
            except StaleObject:
                now = self._client.read(CONFIG_MAP, STATE)
                if now is not None and now.get("data") == data:  # an earlier try did it, and its answer was lost
                    self._stored = now
                    break
                if _version(now) != _version(self._stored):
                    raise TargetBusy(self._taken) from None
        else:
            raise TargetBusy(self._taken)
        self.state = state
        return state

    def _write(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._stored is None:
            return self._client.create(body)
        metadata = {**body["metadata"], "resourceVersion": _version(self._stored)}
        return self._client.replace({**body, "metadata": metadata})

    @property
    def _taken(self) -> str:
        return (
            f"another command changed ConfigMap {self._client.namespace}/{STATE} meanwhile, so this one changes nothing more; look at "
            "`platform-assets target status` and run it again"
        )


def _version(stored: Mapping[str, Any] | None) -> str:
    return "" if stored is None else str(stored["metadata"]["resourceVersion"])
