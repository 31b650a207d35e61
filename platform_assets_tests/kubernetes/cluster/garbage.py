"""Garbage collection, and the ends of namespaces.

Belongs here: dependents of deleted owners, foreground and orphan deletion, emptying a namespace that is being deleted,
and what each namespace is born with. Does not belong here: what holds a single object (store.py).
"""

from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import CONFIG_MAP, CUSTOM_RESOURCE, NAMESPACE, SERVICE_ACCOUNT, Kind
from platform_assets_tests.kubernetes.cluster.store import ObjectStore

DELETION_FINALIZERS = ("foregroundDeletion", "orphan")


class GarbageCollector:
    """Acts on each change of the store, and over all of it when `collect` is called."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.certificate = store, ""
        store.subscribe(self._changed)

    def collect(self) -> None:
        """Delete what names none but missing owners; the server calls it now and then."""
        living = {body["metadata"]["uid"] for _, body in self.store.everything()}
        for kind, body in self.store.everything():
            owners = body["metadata"].get("ownerReferences") or []
            if owners and not any(owner["uid"] in living for owner in owners):
                self._delete(kind, body, "Background")

    def _changed(self, event: str, kind: Kind, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        if kind == NAMESPACE and event == "ADDED":
            self._furnish(metadata["name"])
        if event == "MODIFIED" and "deletionTimestamp" in metadata:
            self._deleting(kind, body)
        if event == "DELETED":
            self._deleted(kind, body)

    def trust(self, certificate: str) -> None:
        """Put the API's certificate into every namespace, now and to come."""
        self.certificate = certificate
        for body in self.store.items(CONFIG_MAP, fields="metadata.name=kube-root-ca.crt"):
            name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
            self.store.change(
                CONFIG_MAP, namespace, name, lambda b: b.update(data={"ca.crt": certificate}), subresource=""
            )

    def _furnish(self, namespace: str) -> None:
        """A namespace is born with a service account and the certificate of the API."""
        for kind, body in (
            (SERVICE_ACCOUNT, {"metadata": {"name": "default"}}),
            (CONFIG_MAP, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self.certificate}}),
        ):
            if not self.store.exists(kind, namespace, body["metadata"]["name"]):
                self.store.create(kind, namespace, body)

    def _deleting(self, kind: Kind, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        if kind == NAMESPACE:
            self._empty(metadata["name"])
        if kind == CUSTOM_RESOURCE:
            self._empty_resource(body)
        finalizers = metadata.get("finalizers") or []
        if "orphan" in finalizers:
            for other, dependent in self._dependents(metadata["uid"]):
                self._disown(other, dependent, metadata["uid"])
            self._release(kind, body, "orphan")
        elif "foregroundDeletion" in finalizers:
            for other, dependent in self._dependents(metadata["uid"]):
                if "deletionTimestamp" not in dependent["metadata"]:
                    self._delete(other, dependent, "Foreground")
            self._release_when_alone(kind, body)

    def _deleted(self, kind: Kind, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        for other, dependent in self._dependents(metadata["uid"]):
            others = [owner for owner in dependent["metadata"]["ownerReferences"] if owner["uid"] != metadata["uid"]]
            if any(self._lives(owner["uid"]) for owner in others):
                self._disown(other, dependent, metadata["uid"])
            elif "deletionTimestamp" not in dependent["metadata"]:
                self._delete(other, dependent, "Background")
        for owner in metadata.get("ownerReferences") or []:
            for other, candidate in self.store.everything():
                if candidate["metadata"]["uid"] == owner["uid"] and "deletionTimestamp" in candidate["metadata"]:
                    self._release_when_alone(other, candidate)
        if kind.namespaced and self.store.exists(NAMESPACE, None, metadata["namespace"]):
            namespace = self.store.read(NAMESPACE, None, metadata["namespace"])
            if "deletionTimestamp" in namespace["metadata"]:
                self._delete(NAMESPACE, namespace, "Background")
        definition = f"{kind.plural}.{kind.group}"
        if self.store.exists(CUSTOM_RESOURCE, None, definition):
            stored = self.store.read(CUSTOM_RESOURCE, None, definition)
            if "deletionTimestamp" in stored["metadata"]:
                self._delete(CUSTOM_RESOURCE, stored, "Background")

    def _empty(self, namespace: str) -> None:
        for kind, body in self.store.everything():
            if body["metadata"].get("namespace") == namespace and "deletionTimestamp" not in body["metadata"]:
                self._delete(kind, body, "Background")
        if self.store.exists(NAMESPACE, None, namespace) and not any(
            body["metadata"].get("namespace") == namespace for _, body in self.store.everything()
        ):
            self._delete(NAMESPACE, self.store.read(NAMESPACE, None, namespace), "Background")

    def _empty_resource(self, definition: dict[str, Any]) -> None:
        spec = definition["spec"]
        for kind, body in self.store.everything():
            if (kind.group, kind.plural) == (spec["group"], spec["names"]["plural"]):
                self._delete(kind, body, "Background")

    def _dependents(self, uid: str) -> list[tuple[Kind, dict[str, Any]]]:
        return [
            (kind, body)
            for kind, body in self.store.everything()
            if any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences") or [])
        ]

    def _lives(self, uid: str) -> bool:
        return any(body["metadata"]["uid"] == uid for _, body in self.store.everything())

    def _delete(self, kind: Kind, body: dict[str, Any], propagation: str) -> None:
        """Delete what may have gone meanwhile, or may be refused by a hook: the next collection tries again."""
        try:
            self.store.delete(
                kind, body["metadata"].get("namespace"), body["metadata"]["name"], propagation=propagation
            )
        except ApiError as error:
            if error.status not in (403, 404, 409):
                raise

    def _disown(self, kind: Kind, body: dict[str, Any], uid: str) -> None:
        def without(changed: dict[str, Any]) -> None:
            owners = [owner for owner in changed["metadata"]["ownerReferences"] if owner["uid"] != uid]
            changed["metadata"]["ownerReferences"] = owners
            if not owners:
                del changed["metadata"]["ownerReferences"]

        self.store.change(kind, body["metadata"].get("namespace"), body["metadata"]["name"], without, subresource="")

    def _release(self, kind: Kind, body: dict[str, Any], finalizer: str) -> None:
        def without(changed: dict[str, Any]) -> None:
            kept = [item for item in changed["metadata"].get("finalizers") or [] if item != finalizer]
            changed["metadata"]["finalizers"] = kept
            if not kept:
                del changed["metadata"]["finalizers"]

        self.store.change(kind, body["metadata"].get("namespace"), body["metadata"]["name"], without, subresource="")

    def _release_when_alone(self, kind: Kind, body: dict[str, Any]) -> None:
        if "foregroundDeletion" not in (body["metadata"].get("finalizers") or []):
            return
        blocking = [
            dependent
            for _, dependent in self._dependents(body["metadata"]["uid"])
            for owner in dependent["metadata"]["ownerReferences"]
            if owner["uid"] == body["metadata"]["uid"] and owner.get("blockOwnerDeletion")
        ]
        if not blocking:
            self._release(kind, body, "foregroundDeletion")
