"""Asking the API of a cluster, past what such an API answers on a bad day.

Belongs here: reading, applying, deleting and watching objects of one namespace, trying again where that helps. Does not belong here: what
the objects mean, and how a refusal is worded (`api_errors.py`).

Requests that came to no answer, and 429 or 5xx, are sent again with growing pauses, or after the pause that the API asks for: every
request here can be repeated. A watch that is dropped goes on where it was; one that the API has forgotten (410) begins with a new list.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from platform_assets.deployment.errors import TargetUnavailable
from platform_assets.deployment.kubernetes.api_errors import ClusterRefused, NotThere, StaleObject, translated
from platform_assets.deployment.kubernetes.kinds import POD, ApiKind, kind_of
from platform_assets.deployment.kubernetes.naming import FIELD_MANAGER

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from platform_assets.deployment.kubernetes.settings import ClusterSettings

logger = logging.getLogger(__name__)

Body = dict[str, Any]
Found = TypeVar("Found")
ANSWER_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
"""So long requests are sent again that the API does not take."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
WATCH_SECONDS = 60
PATCH_APPLY, PATCH_MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
CHANGES_TRIED = 20


class ClusterClient:
    """The API of a cluster, for the objects of one namespace."""

    def __init__(self, api: ApiClient, namespace: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Take a client of the official package.

        Args:
            api: knows the address and the credentials.
            namespace: where everything lies.
            patience_seconds: how long requests are sent again that the API does not take.
        """
        self._api, self.namespace, self._patience = api, namespace, patience_seconds

    def read(self, kind: ApiKind, name: str, namespace: str | None = None) -> Body | None:
        """An object, None where there is none; of the client's namespace, of another one, or of the cluster where that is empty.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        within = self.namespace if namespace is None else namespace
        try:
            return self._ask("GET", kind.path(within, name), f"read {kind.name} {name}")
        except NotThere:
            return None

    def items(self, kind: ApiKind, labels: str = "") -> list[Body]:
        """All objects of a kind with these labels; none where the cluster does not know the kind.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        return self._list(kind, labels)[0]

    def create(self, body: Mapping[str, Any]) -> Body:
        """Make an object.

        Raises:
            StaleObject: there is one already.
            ClusterRefused: the API does not answer, or refuses.
        """
        kind, name = kind_of(body), body["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER}
        return self._ask("POST", kind.path(self.namespace), f"create {self._words(kind, name)}", query, body)

    def replace(self, body: Mapping[str, Any]) -> Body:
        """Replace an object, if nobody else did since it was read.

        Raises:
            StaleObject: somebody did.
            ClusterRefused: the API does not answer, or refuses.
        """
        kind, name = kind_of(body), body["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER}
        return self._ask("PUT", kind.path(self.namespace, name), f"replace {self._words(kind, name)}", query, body)

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Body:
        """Have an object be as it is here: server-side apply, which takes fields away from others only where it is forced to.

        Raises:
            FieldsOwned: another manager owns a field that is set here.
            ClusterRefused: the API does not answer, or refuses.
        """
        kind, name = kind_of(body), body["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()}
        doing = f"apply {self._words(kind, name)}"
        return self._ask("PATCH", kind.path(self.namespace, name), doing, query, body, PATCH_APPLY)

    def merge(self, kind: ApiKind, name: str, changes: Mapping[str, Any]) -> Body:
        """Change some fields of an object.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        query = {"fieldManager": FIELD_MANAGER}
        doing = f"change {self._words(kind, name)}"
        return self._ask("PATCH", kind.path(self.namespace, name), doing, query, changes, PATCH_MERGE)

    def delete(self, kind: ApiKind, name: str, *, foreground: bool = False) -> bool:
        """Delete an object, and what it owns; False when it was not there.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options["propagationPolicy"] = "Foreground" if foreground else "Background"
        path, doing = kind.path(self.namespace, name), f"delete {self._words(kind, name)}"
        try:
            self._ask("DELETE", path, doing, {}, options)
        except NotThere:
            return False
        return True

    def logs(self, pod: str, lines: int, container: str = "", *, previous: bool = False) -> list[str]:
        """The last lines that a pod wrote, or its previous life; none where there are none to be had."""
        query = {"tailLines": str(lines)}
        query |= {"previous": "true"} if previous else {}
        query |= {"container": container} if container else {}
        try:
            text = self._once("GET", f"{POD.path(self.namespace, pod)}/log", query, None, "", ANSWER_SECONDS)
        except ClusterRefused as error:
            logger.debug("no log of %s: %s", pod, error)
            return []
        return text.splitlines()

    def proxied(self, pod: str, port: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """Ask a pod through the API: an answer of urllib3, whatever its status.

        Raises:
            ClusterRefused: the API does not answer.
        """
        import urllib3

        url = f"{self._api.configuration.host}{POD.path(self.namespace, f'{pod}:{port}')}/proxy{path}"
        given = {**headers, **self._credentials()}
        pool = self._api.rest_client.pool_manager
        try:
            return pool.request(method, url, body=body or None, headers=given, timeout=ANSWER_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise ClusterRefused(f"{pod} cannot be asked through the API: {error}") from error

    def watch(
        self,
        kind: ApiKind,
        changed: Callable[[dict[str, Body]], Found | None],
        seconds: float,
        labels: str = "",
        *,
        stopped: threading.Event | None = None,
    ) -> Found | None:
        """Look at all objects of a kind, at once and after each change, until something is found or the time is over.

        Args:
            kind: of the objects.
            changed: called with all objects by name; not None ends the watch.
            seconds: the longest to wait.
            labels: which objects.
            stopped: ends the watch when it is set, at the next change or after a moment.

        Returns:
            What was found, None when the time was over or the watch was ended.

        Raises:
            ClusterRefused: the API refuses.
        """
        deadline = time.monotonic() + seconds
        while not (stopped and stopped.is_set()):
            listed, version = self._list(kind, labels)
            objects = {item["metadata"]["name"]: item for item in listed}
            found = changed(objects)
            while found is None and version and (left := deadline - time.monotonic()) > 0:
                if stopped and stopped.is_set():
                    return None
                for change, item in self._changes(kind, labels, version, min(left, WATCH_SECONDS)):
                    if change == "ERROR":
                        version = ""  # the API has forgotten what came after: begin with a new list
                        break
                    version = item["metadata"]["resourceVersion"]
                    if change == "BOOKMARK":
                        continue
                    objects.pop(item["metadata"]["name"], None)
                    if change != "DELETED":
                        objects[item["metadata"]["name"]] = item
                    found = changed(objects)
                    if found is not None or (stopped and stopped.is_set()):
                        break
            if found is not None or time.monotonic() >= deadline:
                return found
            if not version:
                time.sleep(FIRST_PAUSE_SECONDS)
        return None

    def _changes(self, kind: ApiKind, labels: str, version: str, seconds: float) -> Iterator[tuple[str, Body]]:
        """Changes since a version, until the connection ends, however it does."""
        import urllib3

        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(max(1, int(seconds)))} | ({"labelSelector": labels} if labels else {})
        try:
            stream = self._open(kind.path(self.namespace), query, seconds + 1)
        except ClusterRefused as error:
            logger.debug("the watch of %s is opened again: %s", kind.plural, error)
            if error.status == 410:
                yield "ERROR", {}
            elif error.may_pass:
                time.sleep(FIRST_PAUSE_SECONDS)
            else:
                raise
            return
        rest = b""
        try:
            for piece in stream.stream(amt=None, decode_content=True):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.strip():
                        change = json.loads(line)
                        yield change["type"], change["object"]
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            logger.debug("the watch of %s was dropped: %s", kind.plural, error)
        finally:
            stream.close()

    def _list(self, kind: ApiKind, labels: str) -> tuple[list[Body], str]:
        query = {"labelSelector": labels} if labels else {}
        try:
            answer = self._ask("GET", kind.path(self.namespace), f"list {kind.plural}", query)
        except NotThere:
            return [], ""
        named = {"apiVersion": kind.version, "kind": kind.name}
        return [named | item for item in answer.get("items", [])], answer.get("metadata", {}).get("resourceVersion", "")

    def _ask(
        self,
        method: str,
        path: str,
        doing: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> Body:
        deadline, pause = time.monotonic() + self._patience, FIRST_PAUSE_SECONDS
        sent = 0
        while True:
            try:
                sent += 1
                answer: Body = json.loads(
                    self._once(method, path, dict(query or {}), body, content, ANSWER_SECONDS, doing)
                )
                return answer
            except ClusterRefused as error:
                stale = isinstance(error, StaleObject)
                if stale and method == "POST" and sent > 1:  # an earlier try, whose answer was lost, may have made it
                    return self._ask("GET", f"{path}/{(body or {})['metadata']['name']}", doing)
                # What names no version can only have lost a race within the API.
                again = error.may_pass or (stale and method in ("PATCH", "DELETE"))
                if not again or time.monotonic() + pause > deadline:
                    raise
                wait = max(pause, error.wait_seconds)
                logger.debug("%s; tried again in %g s", error, wait)
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content: str,
        seconds: float,
        doing: str = "",
    ) -> str:
        response = self._send(method, path, query, body, content, seconds, doing)
        try:
            text = response.data.decode("utf-8", "replace")
        finally:
            response.release_conn()
        if not 200 <= response.status < 300:
            self._refuse(response, text, doing or f"{method.lower()} {path}")
        return str(text)

    def _open(self, path: str, query: Mapping[str, str], seconds: float) -> Any:
        response = self._send("GET", path, query, None, "", seconds, f"watch {path}")
        if response.status != 200:
            text = response.data.decode("utf-8", "replace")
            response.release_conn()
            self._refuse(response, text, f"watch {path}")
        return response

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content: str,
        seconds: float,
        doing: str,
    ) -> Any:
        """An answer of urllib3, its body not read yet. The package's own models are not used: they drop fields that they do not know."""
        from urllib.parse import urlencode

        import urllib3

        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", **self._credentials()}
        headers |= {"Content-Type": content} if content else {}
        try:
            return self._api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(connect=10.0, read=seconds),
                preload_content=False,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ClusterRefused(
                f"cannot {doing or path}: the API at {self._api.configuration.host} does not answer ({error}); is the cluster up, and is "
                "it the one that the kubeconfig names?"
            ) from error

    def _credentials(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        self._api.update_params_for_auth(headers, [], ["BearerToken"])
        return {name: value for name, value in headers.items() if value}

    def _refuse(self, response: Any, text: str, doing: str) -> None:
        error = translated(response.status, text, doing, response.headers)
        with suppress(ValueError):  # a date
            error.wait_seconds = float(response.headers.get("Retry-After", 0))
        raise error

    def _words(self, kind: ApiKind, name: str) -> str:
        return f"{kind.name} {self.namespace}/{name}"


def connected(settings: ClusterSettings) -> ClusterClient:
    """A client with the credentials that the settings, the pod or the user's kubeconfig give.

    Raises:
        TargetUnavailable: there are none, or they cannot be read.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    file = None if settings.kubeconfig is None else str(Path(settings.kubeconfig))
    try:
        if file is None and settings.context is None:
            try:
                config.load_incluster_config(client_configuration=configuration)
                return ClusterClient(client.ApiClient(configuration), settings.namespace)
            except config.ConfigException:
                pass  # no pod: the user's own file
        config.load_kube_config(config_file=file, context=settings.context, client_configuration=configuration)
    except (config.ConfigException, OSError) as error:
        raise TargetUnavailable(
            f"no cluster can be reached: {error}. Name a kubeconfig in PLATFORM_ASSETS_KUBERNETES, or run inside the cluster"
        ) from error
    return ClusterClient(client.ApiClient(configuration), settings.namespace)
