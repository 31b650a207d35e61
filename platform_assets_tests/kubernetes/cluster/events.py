"""Events as controllers write them: equal ones are counted, not repeated.

Belongs here: the recorder. Does not belong here: what is worth an event.
"""

from __future__ import annotations

import contextlib

from platform_assets_tests.kubernetes.cluster.objects import EVENT, Object, suffix
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import now

NORMAL, WARNING = "Normal", "Warning"


class EventRecorder:
    """Writes events about objects."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._names: dict[tuple[str, ...], str] = {}

    def record(self, about: Object, kind: str, reason: str, message: str, *, component: str, path: str = "") -> None:
        """Write an event, or count it where the same was written before.

        Args:
            about: the object, with apiVersion and kind.
            kind: Normal or Warning.
            reason: one word.
            message: a sentence.
            component: who writes.
            path: which part of the object, such as `spec.containers{main}`.
        """
        metadata = about["metadata"]
        namespace = metadata.get("namespace", "default")
        identity = (metadata.get("uid", ""), kind, reason, message, component, path)
        with contextlib.suppress(ApiError):  # a namespace that is being deleted takes no events
            if identity in self._names and self._count(namespace, self._names[identity]):
                return
            name = f"{metadata['name']}.{suffix()}{suffix()}"
            involved = {
                "apiVersion": about.get("apiVersion", "v1"),
                "kind": about.get("kind", ""),
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata.get("uid", ""),
                "resourceVersion": metadata.get("resourceVersion", ""),
            }
            if path:
                involved["fieldPath"] = path
            body = {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "type": kind,
                "reason": reason,
                "message": message,
                "source": {"component": component},
                "reportingComponent": component,
                "reportingInstance": "",
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
            }
            self._store.create(EVENT, namespace, body, manager=component)
            self._names[identity] = name

    def _count(self, namespace: str, name: str) -> bool:
        def seen_again(event: Object) -> None:
            event["count"] = event.get("count", 1) + 1
            event["lastTimestamp"] = now()

        try:
            self._store.change(EVENT, namespace, name, seen_again, subresource="")
        except ApiError:
            return False
        return True
