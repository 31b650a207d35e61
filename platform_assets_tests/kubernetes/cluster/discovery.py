"""Discovery: which groups, versions and resources there are.

Belongs here: the plain form and the aggregated one (kubectl and helm ask for the latter). Does not belong here: schemas (openapi.py).
"""

from collections.abc import Iterable
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import Kind, Kinds

VERSION = {
    "major": "1",
    "minor": "37",
    "gitVersion": "v1.37.0+test-cluster",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "test-cluster/process",
}
ORDER = {"v2": 0, "v1": 1, "v1beta1": 2, "v1alpha1": 3}
SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
    "log": ("", "v1", "Pod"),
    "proxy": ("", "v1", "PodProxyOptions"),
}
POSTED = ("eviction", "token", "binding")


def versions_of(kinds: Kinds, group: str) -> list[str]:
    """Served versions of a group, the preferred one first."""
    found = {kind.version for kind in kinds.by_path.values() if kind.group == group}
    return sorted(found, key=lambda version: (ORDER.get(version, 9), version))


def groups_of(kinds: Kinds) -> list[str]:
    """Named groups that are served."""
    return sorted({kind.group for kind in kinds.by_path.values() if kind.group})


def _verbs(subresource: str) -> list[str]:
    if subresource in POSTED:
        return ["create"]
    return ["get"] if subresource == "log" else ["get", "patch", "update"]


def _singular(kinds: Kinds, kind: Kind) -> str:
    return kinds.traits_of(kind).singular or kind[3].lower()


def resources(kinds: Kinds, group: str, version: str) -> dict[str, Any]:
    """APIResourceList of one version.

    Raises:
        ApiError: 404.
    """
    served = [kind for kind in kinds.by_path.values() if (kind.group, kind.version) == (group, version)]
    if not served:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    listed: list[dict[str, Any]] = []
    for kind in served:
        traits = kinds.traits_of(kind)
        entry: dict[str, Any] = {
            "name": kind.plural,
            "singularName": _singular(kinds, kind),
            "namespaced": kind.namespaced,
            "kind": kind[3],
            "verbs": list(traits.verbs),
        }
        if traits.short:
            entry["shortNames"] = list(traits.short)
        if traits.categories:
            entry["categories"] = list(traits.categories)
        listed.append(entry)
        for subresource in traits.subresources:
            answer = SUBRESOURCE_KINDS.get(subresource, (kind.group, kind.version, kind[3]))
            listed.append(
                {
                    "name": f"{kind.plural}/{subresource}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "group": answer[0],
                    "version": answer[1],
                    "kind": answer[2],
                    "verbs": _verbs(subresource),
                }
            )
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}


def group(kinds: Kinds, name: str) -> dict[str, Any]:
    """APIGroup.

    Raises:
        ApiError: 404.
    """
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions_of(kinds, name)]
    if not versions:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": versions[0]}


def groups(kinds: Kinds) -> dict[str, Any]:
    """APIGroupList."""
    listed = [
        {key: value for key, value in group(kinds, name).items() if key not in ("kind", "apiVersion")}
        for name in groups_of(kinds)
    ]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def aggregated(kinds: Kinds, names: Iterable[str]) -> dict[str, Any]:
    """APIGroupDiscoveryList of these groups."""
    items = []
    for name in names:
        versions = [
            {"version": version, "freshness": "Current", "resources": _aggregated_resources(kinds, name, version)}
            for version in versions_of(kinds, name)
        ]
        items.append({"metadata": {"name": name, "creationTimestamp": None}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_resources(kinds: Kinds, group_name: str, version: str) -> list[dict[str, Any]]:
    found = []
    for kind in kinds.by_path.values():
        if (kind.group, kind.version) != (group_name, version):
            continue
        traits = kinds.traits_of(kind)
        entry: dict[str, Any] = {
            "resource": kind.plural,
            "responseKind": {"group": kind.group, "version": kind.version, "kind": kind[3]},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "singularResource": _singular(kinds, kind),
            "verbs": list(traits.verbs),
            "shortNames": list(traits.short),
            "categories": list(traits.categories),
        }
        below = []
        for subresource in traits.subresources:
            answer = SUBRESOURCE_KINDS.get(subresource, (kind.group, kind.version, kind[3]))
            shown = dict(zip(("group", "version", "kind"), answer, strict=True))
            below.append({"subresource": subresource, "responseKind": shown, "verbs": _verbs(subresource)})
        found.append({**entry, "subresources": below} if below else entry)
    return found
