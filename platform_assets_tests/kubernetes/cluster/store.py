"""The objects of the test cluster, in memory, with the rules that an API server holds them to.

Belongs here: create, read, change and delete with resource versions, generations, finalizers, namespaces and admission;
who hears of a change. Does not belong here: what fields mean (schemas.py, validation.py, defaults.py), patches and
server-side apply (patches.py, apply.py), garbage (garbage.py), HTTP.

All calls come from one thread, that of the event loop. What is returned is a copy.
"""

import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from platform_assets_tests.kubernetes.cluster import errors, selectors
from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import CUSTOM_RESOURCE, NAMESPACE, POD, Kind, Kinds
from platform_assets_tests.kubernetes.cluster.values import clone, now

__all__ = ["ApiError", "Kind", "ObjectStore", "clone", "now"]

Listener = Callable[[str, Kind, dict[str, Any]], None]
Admission = Callable[[str, Kind, dict[str, Any]], dict[str, Any]]
Hook = Callable[[Kind, dict[str, Any], dict[str, Any] | None], None]
KEPT_EVENTS = 5_000
NAME_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
SERVER_FIELDS = ("uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp", "managedFields")
GENERATION_EXEMPT = ("metadata", "status", "apiVersion", "kind")


class Change(NamedTuple):
    """One change of one object, and what it was before."""

    revision: int
    event: str
    kind: Kind
    body: dict[str, Any]
    before: dict[str, Any] | None


def _unchanged(old: dict[str, Any], new: dict[str, Any]) -> bool:
    def bare(body: dict[str, Any]) -> dict[str, Any]:
        metadata = {k: v for k, v in body["metadata"].items() if k not in ("resourceVersion", "managedFields")}
        return {**body, "metadata": metadata}

    return bare(old) == bare(new)


class ObjectStore:
    """All objects of the cluster.

    Attributes:
        kinds: what is served.
        admission: called as `(operation, kind, body) -> body` for CREATE, UPDATE and DELETE; may raise ApiError.
        prepare: called as `(kind, body, old)` before admission: fills defaults in.
        check: called as `(kind, body, old)` after admission: raises for what is not valid.
        track: called as `(kind, old, new, manager, subresource)` to note in `new` who owns the changed fields.
        revision: the newest resource version.
        compacted: watches can resume from versions above this one.
        events: the newest changes.
    """

    def __init__(self) -> None:
        self.kinds = Kinds.built_in()
        self.admission: list[Admission] = []
        self.prepare: list[Hook] = []
        self.check: list[Hook] = []
        self.track: Callable[[Kind, dict[str, Any] | None, dict[str, Any], str, str], None] | None = None
        self.revision = 1
        self.compacted = 0
        self.events: deque[Change] = deque(maxlen=KEPT_EVENTS)
        self._objects: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {}
        self._listeners: list[Listener] = []
        self._undelivered: deque[tuple[str, Kind, dict[str, Any]]] = deque()
        self._delivering = False

    def read(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        """One object.

        Raises:
            ApiError: 404.
        """
        return self._as(kind, self._stored(kind, namespace, name))

    def exists(self, kind: Kind, namespace: str | None, name: str) -> bool:
        """Whether there is such an object."""
        return (self._place(kind, namespace), name) in self._table(kind)

    def items(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """Objects of a kind, of one namespace or of all, by namespace and name.

        Raises:
            ApiError: 400 for a selector that cannot be read.
        """
        label_test, field_test = selectors.label_test(labels), selectors.field_test(fields)
        found = []
        for (place, _), body in sorted(self._table(kind).items(), key=lambda item: item[0]):
            if namespace and kind.namespaced and place != namespace:
                continue
            if label_test(body["metadata"].get("labels") or {}) and field_test(body):
                found.append(self._as(kind, body))
        return found

    def everything(self) -> Iterator[tuple[Kind, dict[str, Any]]]:
        """Every object with its kind; not copies: for reading alone."""
        for resource, table in list(self._objects.items()):
            kind = self.kinds.stored.get(resource)
            if kind:
                yield from ((kind, body) for body in list(table.values()))

    # Writing

    def create(
        self,
        kind: Kind,
        namespace: str | None,
        body: dict[str, Any],
        *,
        manager: str = "test-cluster",
        dry_run: bool = False,
        tracked: bool = True,
    ) -> dict[str, Any]:
        """Store a new object.

        Args:
            kind: of the object.
            namespace: for it; none for kinds without.
            body: the object; `metadata.generateName` is completed.
            manager: the field manager that owns its fields.
            dry_run: do all but store.
            tracked: false where the body names its managers itself.

        Raises:
            ApiError: 404 (namespace), 409 (exists), 403 (admission, namespace being deleted), 422.
        """
        new = clone(body)
        metadata = new["metadata"] = dict(new.get("metadata") or {})
        kept = {} if tracked else {"managedFields": metadata.get("managedFields")}
        for name in SERVER_FIELDS:
            metadata.pop(name, None)
        metadata.update(kept)
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(secrets.choice(NAME_CHARACTERS) for _ in range(5))
            metadata["name"] = metadata["generateName"][:58] + suffix
        if not metadata.get("name"):
            raise errors.invalid(
                kind, "", [("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")]
            )
        metadata.pop("namespace", None)
        if kind.namespaced:
            metadata["namespace"] = namespace or "default"
            self._check_namespace(kind, metadata)
        if self.exists(kind, namespace, metadata["name"]):
            raise errors.already_exists(kind, metadata["name"])
        new["apiVersion"], new["kind"] = self._canonical(kind).api_version, kind.name
        if self.kinds.has(kind, "status") and kind not in (NAMESPACE,):
            new.pop("status", None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        for prepare in self.prepare:
            prepare(kind, new, None)
        for admit in self.admission:
            new = admit("CREATE", kind, new)
        for check in self.check:
            check(kind, new, None)
        if "spec" in new:
            new["metadata"]["generation"] = 1
        if self.track and tracked:
            self.track(kind, None, new, manager, "")
        if dry_run:
            return self._as(kind, new)
        return self._put("ADDED", kind, new)

    def replace(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: dict[str, Any],
        *,
        subresource: str = "",
        manager: str = "test-cluster",
        dry_run: bool = False,
        tracked: bool = True,
    ) -> dict[str, Any]:
        """Store another state of an object, whole or its status alone.

        Raises:
            ApiError: 404; 409 where `body` names another resourceVersion or uid than the stored one; 403; 422.
        """
        old = self._stored(kind, namespace, name)
        given = body.get("metadata") or {}
        if given.get("resourceVersion") and given["resourceVersion"] != old["metadata"]["resourceVersion"]:
            raise errors.conflict(kind, name)
        if given.get("uid") and given["uid"] != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {old['metadata']['uid']}"
            raise errors.conflict(kind, name, why)
        new = self._merged(kind, old, clone(body), subresource)
        if not tracked:
            new["metadata"]["managedFields"] = clone(given.get("managedFields"))
        if subresource != "status":
            for prepare in self.prepare:
                prepare(kind, new, old)
        for admit in self.admission:
            new = admit("UPDATE", kind, new)
        for check in self.check:
            check(kind, new, old)
        if _unchanged(old, new) and (
            tracked or new["metadata"].get("managedFields") == old["metadata"].get("managedFields")
        ):
            return self._as(kind, old)
        if any(old.get(key) != new.get(key) for key in {*old, *new} if key not in GENERATION_EXEMPT) and "spec" in new:
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if self.track and tracked:
            self.track(kind, old, new, manager, subresource)
        if dry_run:
            return self._as(kind, new)
        if (
            "deletionTimestamp" in new["metadata"]
            and not new["metadata"].get("finalizers")
            and self._ready_to_go(kind, new)
        ):
            return self._remove(kind, new)
        return self._put("MODIFIED", kind, new)

    def change(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        function: Callable[[dict[str, Any]], None],
        *,
        subresource: str = "status",
        manager: str = "test-cluster",
    ) -> dict[str, Any]:
        """Read, change and write; for controllers. Nothing is written where nothing changed.

        Raises:
            ApiError: as `replace`.
        """
        body = self.read(kind, namespace, name)
        function(body)
        return self.replace(kind, namespace, name, body, subresource=subresource, manager=manager)

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Delete an object, or mark it for deletion where a finalizer or a running pod holds it.

        A pod that runs is marked; the kubelet deletes it with `grace_seconds=0` when its processes are gone.

        Returns:
            its last state: with a deletionTimestamp where it is still there.

        Raises:
            ApiError: 404; 409 for another uid or resourceVersion; 403.
        """
        old = self._stored(kind, namespace, name)
        metadata = old["metadata"]
        for what, wanted, found in (
            ("UID", uid, metadata["uid"]),
            ("ResourceVersion", resource_version, metadata["resourceVersion"]),
        ):
            if wanted and wanted != found:
                why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
                raise errors.conflict(kind, name, why)
        for admit in self.admission:
            admit("DELETE", kind, clone(old))
        new = clone(old)
        finalizers = new["metadata"].get("finalizers") or []
        if extra := {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation):
            finalizers = [*(f for f in finalizers if f != extra), extra]
        if finalizers:
            new["metadata"]["finalizers"] = finalizers
        grace = self._grace_seconds(new, grace_seconds) if kind[:3] == POD[:3] else 0
        due = new["metadata"].get("deletionTimestamp")
        if not due or grace < new["metadata"].get("deletionGracePeriodSeconds", 0):
            new["metadata"]["deletionTimestamp"] = now(grace)
            new["metadata"]["deletionGracePeriodSeconds"] = grace
        if kind == NAMESPACE:
            new.setdefault("status", {})["phase"] = "Terminating"
        gone = not finalizers and grace <= 0 and self._ready_to_go(kind, new)
        if dry_run:
            return self._as(kind, new)
        if gone:
            return self._remove(kind, new)
        return self._as(kind, old) if new == old else self._put("MODIFIED", kind, new)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener(event, kind, copy of the object)` after each change; event is ADDED, MODIFIED or DELETED."""
        self._listeners.append(listener)

    def compact(self) -> None:
        """Forget all history: watches and continue tokens from before are answered 410."""
        self.events.clear()
        self.compacted = self.revision

    # Inside

    def _canonical(self, kind: Kind) -> Kind:
        return self.kinds.stored.get((kind.group, kind.plural), kind)

    def _table(self, kind: Kind) -> dict[tuple[str, str], dict[str, Any]]:
        return self._objects.setdefault((kind.group, kind.plural), {})

    def _place(self, kind: Kind, namespace: str | None) -> str:
        return (namespace or "default") if kind.namespaced else ""

    def _stored(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        body = self._table(kind).get((self._place(kind, namespace), name))
        if body is None:
            raise errors.not_found(kind, name)
        return body

    def _as(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """A copy in the version that was asked for; versions differ in name alone here."""
        return {**clone(body), "apiVersion": kind.api_version}

    def _check_namespace(self, kind: Kind, metadata: dict[str, Any]) -> None:
        namespace = self._stored(NAMESPACE, None, metadata["namespace"])
        if "deletionTimestamp" in namespace["metadata"]:
            why = f"unable to create new content in namespace {metadata['namespace']} because it is being terminated"
            raise errors.forbidden(kind, metadata["name"], why)

    def _merged(self, kind: Kind, old: dict[str, Any], new: dict[str, Any], subresource: str) -> dict[str, Any]:
        """What a write through this door may change, on top of what is stored."""
        if subresource == "status" and self.kinds.has(kind, "status"):
            new = {**clone(old), "status": new.get("status") or {}} if "status" in new else clone(old)
        elif self.kinds.has(kind, "status"):
            new.pop("status", None)
            if "status" in old:
                new["status"] = clone(old["status"])
        metadata = new["metadata"] = dict(new.get("metadata") or {})
        for name in (*SERVER_FIELDS, "deletionGracePeriodSeconds", "name", "namespace"):
            metadata.pop(name, None)
            if name in old["metadata"]:
                metadata[name] = clone(old["metadata"][name])
        new["apiVersion"], new["kind"] = self._canonical(kind).api_version, kind.name
        return new

    @staticmethod
    def _grace_seconds(pod: dict[str, Any], asked: int | None) -> int:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
            return 0
        return int(spec.get("terminationGracePeriodSeconds", 30)) if asked is None else asked

    def _ready_to_go(self, kind: Kind, body: dict[str, Any]) -> bool:
        """Whether nothing but finalizers holds an object that is being deleted."""
        if kind == NAMESPACE:
            name = body["metadata"]["name"]
            return not any(place == name for table in self._objects.values() for place, _ in table)
        if kind == CUSTOM_RESOURCE:
            return not self._objects.get((body["spec"]["group"], body["spec"]["names"]["plural"]))
        return kind[:3] != POD[:3] or body["metadata"].get("deletionGracePeriodSeconds", 0) == 0

    def _put(self, event: str, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        self.revision += 1
        body["metadata"]["resourceVersion"] = str(self.revision)
        table, key = self._table(kind), (self._place(kind, body["metadata"].get("namespace")), body["metadata"]["name"])
        before, table[key] = table.get(key), body
        self._announce(event, kind, body, before)
        return self._as(kind, body)

    def _remove(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        self.revision += 1
        body["metadata"]["resourceVersion"] = str(self.revision)
        key = (self._place(kind, body["metadata"].get("namespace")), body["metadata"]["name"])
        self._announce("DELETED", kind, body, self._table(kind).pop(key))
        return self._as(kind, body)

    def _announce(self, event: str, kind: Kind, body: dict[str, Any], before: dict[str, Any] | None) -> None:
        """Tell the listeners, in the order of the changes also where a listener makes changes itself."""
        stored = self._canonical(kind)
        if len(self.events) == self.events.maxlen:
            self.compacted = self.events[0].revision
        self.events.append(Change(self.revision, event, stored, body, before))
        self._undelivered.append((event, stored, self.events[-1].body))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._undelivered:
                event, stored, body = self._undelivered.popleft()
                for listener in list(self._listeners):
                    listener(event, stored, clone(body))
        finally:
            self._delivering = False
