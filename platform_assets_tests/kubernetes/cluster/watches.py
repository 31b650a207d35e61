"""Watches: streams of changes from a resource version on.

Belongs here: resuming, selectors over changes, bookmarks, 410, dropping streams on demand. Does not belong here: HTTP's routes.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from platform_assets_tests.kubernetes.cluster import selectors
from platform_assets_tests.kubernetes.cluster.errors import bad_request, gone
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.requests import flag
from platform_assets_tests.kubernetes.cluster.store import Change, ObjectStore

BOOKMARK_SECONDS = 10.0
LONGEST_SECONDS = 3600.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
Shape = Callable[[dict[str, Any]], dict[str, Any]]
"""What an object looks like in an event: itself, or a row of a table."""


@dataclass(eq=False)
class Watch:
    """One stream."""

    kind: Kind
    namespace: str
    matches: Callable[[dict[str, Any]], bool]
    changes: "asyncio.Queue[Change | None]" = field(default_factory=asyncio.Queue)
    """None ends the stream as a broken connection."""

    def event_of(self, change: Change) -> tuple[str, dict[str, Any]] | None:
        """What this stream is told of a change: an object that a selector takes no longer is deleted for it."""
        if (change.kind.group, change.kind.plural) != (self.kind.group, self.kind.plural):
            return None
        if self.namespace and change.body["metadata"].get("namespace") != self.namespace:
            return None
        was = change.before is not None and self.matches(change.before)
        takes = self.matches(change.body)
        if change.event == "DELETED":
            return ("DELETED", change.body) if was or takes else None
        if takes:
            return ("MODIFIED" if was else "ADDED", change.body)
        return ("DELETED", change.body) if was else None


class Watches:
    """All open streams."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.open: set[Watch] = set()
        store.subscribe(self._changed)

    def _changed(self, event: str, kind: Kind, body: dict[str, Any]) -> None:
        """Hand on what is new since the last call; the store keeps more of a change than it tells listeners."""
        revision = int(body["metadata"]["resourceVersion"])
        change = next((item for item in reversed(self.store.events) if item.revision == revision), None)
        for watch in self.open if change else ():
            watch.changes.put_nowait(change)

    def drop(self, plural: str = "") -> int:
        """Break the streams of a resource, or all of them, as a lost connection does.

        Returns:
            how many.
        """
        dropped = [watch for watch in self.open if plural in ("", watch.kind.plural)]
        for watch in dropped:
            watch.changes.put_nowait(None)
        return len(dropped)

    async def stream(
        self, request: web.Request, kind: Kind, namespace: str, shape: Shape, *, name: str = ""
    ) -> web.StreamResponse:
        """Answer a watch request until its time is over or the caller leaves.

        Raises:
            ApiError: 400 for what cannot be read.
        """
        query = request.query
        label_test = selectors.label_test(query.get("labelSelector", ""))
        field_test = selectors.field_test(query.get("fieldSelector", "") or (f"metadata.name={name}" if name else ""))
        watch = Watch(
            kind, namespace, lambda body: label_test(body["metadata"].get("labels") or {}) and field_test(body)
        )
        given = query.get("resourceVersion", "")
        if given and not given.isdigit():
            raise bad_request(f"Invalid value: {given!r}: resourceVersion must be a number")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        seconds = float(query.get("timeoutSeconds") or LONGEST_SECONDS)
        stream = _Stream(request, response, kind, shape)
        try:
            self.open.add(watch)
            if await self._begin(stream, watch, given, flag(request, "sendInitialEvents")):
                await self._follow(stream, watch, flag(request, "allowWatchBookmarks"), seconds)
        except ConnectionResetError:
            pass  # the caller has left
        finally:
            self.open.discard(watch)
        return response

    async def _begin(self, stream: "_Stream", watch: Watch, given: str, initial: bool) -> bool:
        """The state, or what was missed since a version; false where that is forgotten."""
        if given in ("", "0") or initial:
            for body in self.store.items(watch.kind, watch.namespace or None):
                if watch.matches(body):
                    await stream.send("ADDED", body)
            if initial:
                await stream.bookmark(self.store.revision, {INITIAL_EVENTS_END: "true"})
            return True
        if int(given) < self.store.compacted:
            error = gone(f"too old resource version: {given} ({self.store.compacted})")
            await stream.write({"type": "ERROR", "object": error.body()})
            return False
        for change in list(self.store.events):
            if change.revision > int(given) and (event := watch.event_of(change)):
                await stream.send(*event)
        return True

    async def _follow(self, stream: "_Stream", watch: Watch, bookmarks: bool, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(watch.changes.get(), min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                if bookmarks:
                    await stream.bookmark(self.store.revision)
                continue
            if change is None:
                if stream.request.transport is not None:
                    stream.request.transport.abort()
                return
            if change.revision > stream.sent and (event := watch.event_of(change)):
                await stream.send(*event)
        if bookmarks:
            await stream.bookmark(self.store.revision)


class _Stream:
    """Writes events."""

    def __init__(self, request: web.Request, response: web.StreamResponse, kind: Kind, shape: Shape) -> None:
        self.request, self.response, self.kind, self.shape = request, response, kind, shape
        self.sent = 0

    async def write(self, event: dict[str, Any]) -> None:
        await self.response.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    async def send(self, event: str, body: dict[str, Any]) -> None:
        """One object; what was told once, out of the history, is not told again."""
        self.sent = max(self.sent, int(body["metadata"]["resourceVersion"]))
        shown = {**body, "apiVersion": self.kind.api_version, "kind": self.kind[3]}
        await self.write({"type": event, "object": self.shape(shown)})

    async def bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> None:
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        body = {"apiVersion": self.kind.api_version, "kind": self.kind[3], "metadata": metadata}
        await self.write({"type": "BOOKMARK", "object": body})
