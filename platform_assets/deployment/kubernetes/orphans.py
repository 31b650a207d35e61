"""Objects with the target's mark that nothing it remembers owns.

Belongs here: finding and deleting them. Does not belong here: removing an arm (`session.py`): what a rollout leaves is recorded, and the
next command removes it. Orphans come from a state that was deleted or restored by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.api_errors import NotPermitted
from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.counters import counters_name
from platform_assets.deployment.kubernetes.kinds import CONFIG_MAP, OWNED, ROUTES, SERVICE_ACCOUNT, ApiKind
from platform_assets.deployment.kubernetes.state import STATE, ClusterState


class Orphan(NamedTuple):
    """An object that nothing owns."""

    kind: ApiKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}"


def orphans(client: ClusterClient, state: ClusterState) -> list[Orphan]:
    """Every object in the namespace with the target's mark that no arm, no use case and no process beside owns.

    Raises:
        ClusterRefused: the API does not answer, or refuses.
    """
    arms = {arm.name for _, arm in state.arms()} | {beside.object_name for beside in state.beside.values()}
    use_cases = {naming.label_value(name) for name in state.use_cases}
    texts = {STATE} | {counters_name(name) for name in state.use_cases}
    found = []
    for kind in OWNED:
        for body in _marked(client, kind):
            name, labels = body["metadata"]["name"], body["metadata"].get("labels") or {}
            if kind is SERVICE_ACCOUNT or body["metadata"].get("deletionTimestamp"):
                continue  # the account is one for all pods, and may do nothing
            owned = name in texts if kind is CONFIG_MAP else _owned(kind, labels, arms, use_cases)
            if not owned and not _has_owner(body):
                found.append(Orphan(kind, name))
    return found


def delete_orphans(client: ClusterClient, found: list[Orphan]) -> None:
    """Delete them; the API ends what stands behind.

    Raises:
        ClusterRefused: the API does not answer, or refuses.
    """
    for kind, name in found:
        client.delete(kind, name, foreground=True)


def _marked(client: ClusterClient, kind: ApiKind) -> list[Body]:
    """All with the target's mark; none of a kind of route that the account may not see, and so never put."""
    try:
        return client.items(kind, naming.OURS)
    except NotPermitted:
        if kind in ROUTES:
            return []
        raise


def _owned(kind: ApiKind, labels: Mapping[str, str], arms: set[str], use_cases: set[str]) -> bool:
    if kind in ROUTES:
        return labels.get(naming.USE_CASE_LABEL) in use_cases
    return labels.get(naming.ARM_LABEL) in arms


def _has_owner(body: Body) -> bool:
    return bool(body["metadata"].get("ownerReferences"))
