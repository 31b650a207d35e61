"""Answers for collections and objects: get, list, create, update, patch, delete.

Belongs here: what HTTP adds to the store: options, tables, pages, the choice of a patch. Does not belong here: subresources but status.
"""

import base64
import json
from typing import Any

from aiohttp import web

from platform_assets_tests.kubernetes.cluster import errors
from platform_assets_tests.kubernetes.cluster.api import Api
from platform_assets_tests.kubernetes.cluster.apply import apply
from platform_assets_tests.kubernetes.cluster.errors import ApiError, bad_request
from platform_assets_tests.kubernetes.cluster.kinds import CUSTOM_RESOURCE
from platform_assets_tests.kubernetes.cluster.patches import json_patch, merge_patch, strategic_patch
from platform_assets_tests.kubernetes.cluster.requests import (
    APPLY,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Target,
    flag,
    is_dry_run,
    manager_of,
    read_body,
    read_object,
)
from platform_assets_tests.kubernetes.cluster.tables import table
from platform_assets_tests.kubernetes.cluster.validation import judge
from platform_assets_tests.kubernetes.cluster.watches import Watches

Body = dict[str, Any]


def respond(body: Body, status: int = 200, warnings: list[str] | None = None) -> web.Response:
    """An answer, with warnings as an API server sends them."""
    response = web.json_response(body, status=status)
    for warning in warnings or []:
        response.headers.add("Warning", f"299 - {json.dumps(warning)}")
    return response


def wants_table(request: web.Request) -> bool:
    """Whether the caller would rather have rows than objects."""
    return "as=Table" in request.headers.get("Accept", "")


class Resources:
    """Handlers; each takes a request and its target."""

    def __init__(self, api: Api, watches: Watches) -> None:
        self.api, self.store, self.schemas, self.watches = api, api.store, api.schemas, watches

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer.

        Raises:
            ApiError: whatever stands against it.
        """
        verb = target.verb(request)
        if verb not in self.store.kinds.traits_of(target.kind).verbs:
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        if verb == "watch":
            return await self.watches.stream(
                request,
                target.kind,
                target.namespace,
                lambda body: self._shaped(request, target, [body], body),
                name=target.name,
            )
        answer = {
            "get": self._get,
            "list": self._list,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }[verb]
        return await answer(request, target)

    def _shaped(self, request: web.Request, target: Target, bodies: list[Body], plain: Body) -> Body:
        """As the caller asks for it: itself, or rows."""
        if not wants_table(request):
            return plain
        include = request.query.get("includeObject", "Metadata")
        rows = table(target.kind, bodies, include=include, declared=self.api.custom.columns.get(target.kind))
        rows["metadata"] = {
            key: value
            for key, value in plain["metadata"].items()
            if key in ("resourceVersion", "continue", "remainingItemCount")
        }
        return rows

    async def _get(self, request: web.Request, target: Target) -> web.Response:
        body = self.store.read(target.kind, target.namespace, target.name)
        return respond(self._shaped(request, target, [body], body))

    async def _list(self, request: web.Request, target: Target) -> web.Response:
        query, kind = request.query, target.kind
        items = self.store.items(
            kind,
            target.namespace or None,
            labels=query.get("labelSelector", ""),
            fields=query.get("fieldSelector", ""),
        )
        metadata: Body = {"resourceVersion": str(self.store.revision)}
        limit, token = int(query.get("limit") or 0), query.get("continue", "")
        if token:
            try:
                revision, after = json.loads(base64.urlsafe_b64decode(token))
            except ValueError:
                raise bad_request("continue key is not valid") from None
            if revision < self.store.compacted:
                raise errors.gone("The provided continue parameter is too old")
            metadata["resourceVersion"] = str(revision)
            items = [
                item for item in items if [item["metadata"].get("namespace", ""), item["metadata"]["name"]] > after
            ]
        if 0 < limit < len(items):
            last = items[limit - 1]["metadata"]
            place = [int(metadata["resourceVersion"]), [last.get("namespace", ""), last["name"]]]
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
            metadata["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        body: Body = {"kind": f"{kind[3]}List", "apiVersion": kind.api_version, "metadata": metadata}
        if not wants_table(request):
            body["items"] = items
        return respond(self._shaped(request, target, items, body))

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        if target.name:
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        body = await read_object(request, target)
        if body["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        body, warnings = judge(self.schemas, target.kind, body, self._validation(request))
        made = self.store.create(
            target.kind, target.namespace, body, manager=manager_of(request), dry_run=is_dry_run(request)
        )
        if target.kind == CUSTOM_RESOURCE and not is_dry_run(request):
            made = self.store.read(target.kind, None, made["metadata"]["name"])
        return respond(made, 201, warnings)

    async def _update(self, request: web.Request, target: Target) -> web.Response:
        body = await read_object(request, target)
        body, warnings = judge(self.schemas, target.kind, body, self._validation(request))
        stored = self.store.replace(
            target.kind,
            target.namespace,
            target.name,
            body,
            subresource=target.subresource,
            manager=manager_of(request),
            dry_run=is_dry_run(request),
        )
        return respond(stored, 200, warnings)

    def _validation(self, request: web.Request) -> str:
        how = request.query.get("fieldValidation") or "Warn"
        if how not in ("Strict", "Warn", "Ignore"):
            raise bad_request(f'invalid fieldValidation: "{how}"')
        return how

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        how = request.content_type
        if how == APPLY:
            return await self._apply(request, target)
        patch = await read_body(request)
        stored = self.store.read(target.kind, target.namespace, target.name)
        node = self.schemas.of(target.kind)
        if how == JSON_PATCH:
            patched = json_patch(stored, patch)
        elif how == MERGE_PATCH:
            patched = merge_patch(stored, patch)
        elif how == STRATEGIC_PATCH and not self.schemas.is_custom(target.kind):
            patched = strategic_patch(self.schemas, node, stored, patch)
        else:
            allowed = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            told = f"the body of the request was in an unknown format - accepted media types include: {allowed}"
            raise ApiError(415, "UnsupportedMediaType", told)
        body, warnings = judge(self.schemas, target.kind, patched, self._validation(request))
        tracked = body["metadata"].get("managedFields") == stored["metadata"].get("managedFields")
        changed = self.store.replace(
            target.kind,
            target.namespace,
            target.name,
            body,
            subresource=target.subresource,
            manager=manager_of(request),
            dry_run=is_dry_run(request),
            tracked=tracked,
        )
        return respond(changed, 200, warnings)

    async def _apply(self, request: web.Request, target: Target) -> web.Response:
        if not request.query.get("fieldManager"):
            raise bad_request(
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            )
        body = await read_object(request, target)
        given = body["metadata"].get("resourceVersion")
        body, warnings = judge(self.schemas, target.kind, body, self._validation(request))
        there = self.store.exists(target.kind, target.namespace, target.name)
        stored = self.store.read(target.kind, target.namespace, target.name) if there else None
        if body["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if given and (stored is None or given != stored["metadata"]["resourceVersion"]):
            raise errors.conflict(target.kind, target.name)
        door = target.subresource
        if door != "status" and self.store.kinds.has(target.kind, "status"):
            body.pop("status", None)
        elif door == "status":
            body = {key: body[key] for key in ("apiVersion", "kind", "metadata", "status") if key in body}
            body["metadata"] = {"name": target.name}
        merged = apply(
            self.schemas,
            target.kind,
            stored,
            body,
            manager=request.query["fieldManager"],
            force=flag(request, "force"),
            subresource=door,
        )
        dry = is_dry_run(request)
        if stored is None:
            if door:
                raise errors.not_found(target.kind, target.name)
            made = self.store.create(target.kind, target.namespace, merged, dry_run=dry, tracked=False)
            return respond(made, 201, warnings)
        changed = self.store.replace(
            target.kind, target.namespace, target.name, merged, subresource=door, dry_run=dry, tracked=False
        )
        return respond(changed, 200, warnings)

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        options = await self._delete_options(request)
        preconditions = options.get("preconditions") or {}
        left = self.store.delete(
            target.kind,
            target.namespace,
            target.name,
            propagation=self._propagation(request, options),
            grace_seconds=options.get("gracePeriodSeconds"),
            uid=preconditions.get("uid"),
            resource_version=preconditions.get("resourceVersion"),
            dry_run=is_dry_run(request) or "All" in (options.get("dryRun") or []),
        )
        if "deletionTimestamp" in left["metadata"] and self.store.exists(target.kind, target.namespace, target.name):
            return respond(left)
        details = {
            "name": target.name,
            "group": target.kind.group,
            "kind": target.kind.plural,
            "uid": left["metadata"]["uid"],
        }
        details = {key: value for key, value in details.items() if value}
        return respond({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    async def _delete_collection(self, request: web.Request, target: Target) -> web.Response:
        options = await self._delete_options(request)
        found = self.store.items(
            target.kind,
            target.namespace or None,
            labels=request.query.get("labelSelector", ""),
            fields=request.query.get("fieldSelector", ""),
        )
        for body in found:
            self.store.delete(
                target.kind,
                body["metadata"].get("namespace"),
                body["metadata"]["name"],
                propagation=self._propagation(request, options),
                grace_seconds=options.get("gracePeriodSeconds"),
                dry_run=is_dry_run(request),
            )
        metadata = {"resourceVersion": str(self.store.revision)}
        listed = {
            "kind": f"{target.kind[3]}List",
            "apiVersion": target.kind.api_version,
            "metadata": metadata,
            "items": found,
        }
        return respond(listed)

    async def _delete_options(self, request: web.Request) -> Body:
        options = await read_body(request) or {}
        if "gracePeriodSeconds" in request.query:
            options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
        return dict(options)

    def _propagation(self, request: web.Request, options: Body) -> str:
        asked = options.get("propagationPolicy") or request.query.get("propagationPolicy")
        if asked is None and options.get("orphanDependents"):
            return "Orphan"
        if asked not in (None, "Background", "Foreground", "Orphan"):
            raise bad_request(
                f'DeleteOptions "{asked}" is invalid: propagationPolicy: must be Background, Foreground or Orphan'
            )
        return asked or "Background"
