"""Volumes for claims: each claim is bound at once to a folder of this machine.

Belongs here: the status of claims. Does not belong here: their folders (`volumes.py`); sizes, which nobody holds to.
"""

from __future__ import annotations

import contextlib

from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import CLAIM, Key, Object, is_leaving, key_of
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore


class Claims:
    """Reconciles claims."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.queue = WorkQueue(self._reconcile)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == CLAIM and event != "DELETED":
            self.queue.add(key_of(thing))

    def _reconcile(self, key: Key) -> None:
        with contextlib.suppress(ApiError):
            claim = self._store.read(CLAIM, *key)
            if is_leaving(claim):
                return

            def bound(one: Object) -> None:
                spec = one["spec"]
                one["status"] = {
                    "phase": "Bound",
                    "accessModes": spec.get("accessModes", []),
                    "capacity": (spec.get("resources") or {}).get("requests", {}),
                }

            self._store.change(CLAIM, *key, bound, manager="persistentvolume-binder")
