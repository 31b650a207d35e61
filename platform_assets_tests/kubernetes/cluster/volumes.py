"""A pod's volumes as folders of this machine.

Belongs here: what each kind of volume holds. Does not belong here: where a container sees it (`pod_paths.py`).
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from platform_assets_tests.kubernetes.cluster.objects import CLAIM, CONFIG_MAP, SECRET, Object
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

HOST_FOLDER = "test-cluster/host-folder"
"""Annotation of a claim whose volume is a given folder of this machine."""
ACCOUNT_PATH, ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount", "account"
"""Where a pod's credentials are for the pod, and in its folder."""


class MountError(Exception):
    """A volume that cannot be made, in the kubelet's words."""


class Volumes:
    """Makes and refreshes the volumes of one pod."""

    def __init__(self, store: ObjectStore, cluster: Path, folder: Path, token: Callable[[Object, Object], str]) -> None:
        """Args:
        store: the cluster's objects.
        cluster: the cluster's folder: claims and nodes have theirs below it.
        folder: of this pod.
        token: gives a service account's token for a pod and the source that asks for it.
        """
        self._store, self._cluster, self._folder, self._token = store, cluster, folder, token
        self._rewrite: Callable[[str], str] = str
        self.paths: dict[str, Path] = {}

    def make(self, pod: Object, rewrite: Callable[[str], str] | None = None) -> None:
        """Make every volume.

        Args:
            pod: whose volumes.
            rewrite: changes the text of mounted ConfigMaps and Secrets, once every volume has its folder.

        Raises:
            MountError: one cannot be made now.
        """
        self._rewrite = rewrite or self._rewrite
        for step in (self._place, self._fill):
            for volume in pod["spec"].get("volumes") or []:
                try:
                    step(pod, volume)
                except (ApiError, KeyError, OSError) as error:
                    name = volume["name"]
                    raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {_words(error)}') from error

    def refresh(self, pod: Object, kind: str, name: str) -> None:
        """Write a changed ConfigMap or Secret anew where it is mounted."""
        for volume in pod["spec"].get("volumes") or []:
            source = volume.get(kind) or {}
            if volume["name"] in self.paths and name in (source.get("name"), source.get("secretName")):
                with contextlib.suppress(ApiError, KeyError):
                    self._fill(pod, volume)

    def _place(self, pod: Object, volume: Object) -> None:
        folder = self._folder / "volumes" / volume["name"]
        if claim := volume.get("persistentVolumeClaim"):
            found = self._store.read(CLAIM, pod["metadata"]["namespace"], claim["claimName"])
            folder = claim_folder(self._cluster, found)
        elif host := volume.get("hostPath"):
            folder = _host_path(node_path(self._cluster, pod["spec"]["nodeName"], host["path"]), host)
        else:
            folder.mkdir(parents=True, exist_ok=True)
        self.paths[volume["name"]] = folder

    def _fill(self, pod: Object, volume: Object) -> None:
        if {"emptyDir", "ephemeral", "persistentVolumeClaim", "hostPath"} & set(volume):
            return
        sources = (volume.get("projected") or {}).get("sources")
        for source in sources if sources is not None else [volume]:
            _write(self.paths[volume["name"]], self._files(pod, source), self._rewrite)

    def _files(self, pod: Object, source: Object) -> Iterable[tuple[str, bytes]]:
        namespace = pod["metadata"]["namespace"]
        if (config := source.get("configMap")) is not None:
            found = _optional(self._store, CONFIG_MAP, namespace, config["name"], config)
            data = {name: text.encode() for name, text in (found.get("data") or {}).items()}
            data |= {name: base64.b64decode(text) for name, text in (found.get("binaryData") or {}).items()}
            return _items(data, config)
        if (secret := source.get("secret")) is not None:
            name = secret.get("secretName") or secret["name"]
            found = _optional(self._store, SECRET, namespace, name, secret)
            return _items({key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}, secret)
        if (token := source.get("serviceAccountToken")) is not None:
            return [(token["path"], self._token(pod, token).encode())]
        if (downward := source.get("downwardAPI")) is not None:
            return [(item["path"], field_of(pod, item["fieldRef"]["fieldPath"]).encode()) for item in downward["items"]]
        kinds = sorted(set(source) - {"name"})
        raise KeyError(f"the test cluster has no volumes of the kind {', '.join(kinds)}")


def claim_folder(cluster: Path, claim: Object) -> Path:
    """Where a claim's volume lies: below the cluster's folder, or where its annotation says."""
    metadata = claim["metadata"]
    given = (metadata.get("annotations") or {}).get(HOST_FOLDER)
    folder = Path(given) if given else cluster / "claims" / metadata["namespace"] / metadata["name"]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def node_path(cluster: Path, node: str, path: str) -> Path:
    """Where a path of a node lies: each node has a folder for its own."""
    return cluster / "nodes" / node / path.lstrip("/")


def field_of(pod: Object, path: str) -> str:
    """A field as `fieldRef` names it.

    Raises:
        KeyError: no such field can be asked for.
    """
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    for name in ("labels", "annotations"):
        values = metadata.get(name) or {}
        if path == f"metadata.{name}":
            return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))
        if path.startswith(f"metadata.{name}['"):
            return str(values.get(path[len(f"metadata.{name}['") : -2], ""))
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
    }
    return str(known[path])


def _host_path(folder: Path, host: Object) -> Path:
    kind = host.get("type", "")
    if kind in ("Directory", "File") and not folder.exists():
        raise OSError(f"hostPath type check failed: {host['path']} is not a {kind.lower()}")
    if kind.startswith("File"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.touch()
    else:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _optional(store: ObjectStore, kind: object, namespace: str, name: str, source: Object) -> Object:
    try:
        return store.read(kind, namespace, name)  # type: ignore[arg-type]
    except ApiError as error:
        if error.status == 404 and source.get("optional"):
            return {}
        raise


def _items(data: dict[str, bytes], source: Object) -> Iterable[tuple[str, bytes]]:
    items = source.get("items")
    if not items:
        return list(data.items())
    missing = [item["key"] for item in items if item["key"] not in data and not source.get("optional")]
    if missing:
        raise KeyError(f"references non-existent config key: {missing[0]}")
    return [(item["path"], data[item["key"]]) for item in items if item["key"] in data]


def _write(folder: Path, files: Iterable[tuple[str, bytes]], rewrite: Callable[[str], str]) -> None:
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        with contextlib.suppress(UnicodeDecodeError):
            content = rewrite(content.decode()).encode()
        fresh.write_bytes(content)
        fresh.replace(path)


def _words(error: Exception) -> str:
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def remove_folder(folder: Path) -> None:
    """A pod's folder and all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
