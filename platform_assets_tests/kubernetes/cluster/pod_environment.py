"""The environment of a container: only what its spec and its image give, and where it is.

Belongs here: env, envFrom and the expansion of $(NAME). Does not belong here: the folders that values name (`pod_paths.py`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from platform_assets_tests.kubernetes.cluster.objects import CONFIG_MAP, SECRET, Object
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore
from platform_assets_tests.kubernetes.cluster.values import quantity
from platform_assets_tests.kubernetes.cluster.volumes import field_of

_REFERENCE = re.compile(r"\$(\$)?\(([A-Za-z_.\-][\w.\-]*)\)")


class ConfigError(Exception):
    """A container that cannot be configured, in the kubelet's words."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace each $(NAME) whose name is known; $$(NAME) stands for the text itself."""

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        return values.get(match[2], match[0])

    return _REFERENCE.sub(value, text)


def environment_of(store: ObjectStore, pod: Object, container: Object) -> dict[str, str]:
    """What env and envFrom say.

    Raises:
        ConfigError: a Secret, a ConfigMap or a key is not there.
    """
    namespace = pod["metadata"]["namespace"]
    values: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for name, kind, what in (("configMapRef", CONFIG_MAP, "configmap"), ("secretRef", SECRET, "secret")):
            if reference := source.get(name):
                found = _data(store, kind, what, namespace, reference)
                values |= {source.get("prefix", "") + key: text for key, text in found.items()}
    for one in container.get("env") or []:
        if "value" in one or "valueFrom" not in one:
            values[one["name"]] = expand(one.get("value", ""), values)
            continue
        found_value = _referred(store, pod, container, one["valueFrom"])
        if found_value is not None:
            values[one["name"]] = found_value
    return values


def _referred(store: ObjectStore, pod: Object, container: Object, source: Object) -> str | None:
    namespace = pod["metadata"]["namespace"]
    if reference := source.get("fieldRef"):
        return field_of(pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        part, _, resource = reference["resource"].partition(".")
        amount = quantity(((container.get("resources") or {}).get(part) or {}).get(resource, 0))
        return f"{-(-amount // quantity(reference.get('divisor') or 1)):.0f}"
    for name, kind, what in (("secretKeyRef", SECRET, "secret"), ("configMapKeyRef", CONFIG_MAP, "configmap")):
        if reference := source.get(name):
            found = _data(store, kind, what, namespace, reference)
            if reference["key"] in found:
                return found[reference["key"]]
            if reference.get("optional"):
                return None
            where = "Secret" if kind is SECRET else "ConfigMap"
            raise ConfigError(f"couldn't find key {reference['key']} in {where} {namespace}/{reference['name']}")
    raise ConfigError(f"the test cluster does not know the source {', '.join(source)}")


def _data(store: ObjectStore, kind: object, what: str, namespace: str, reference: Object) -> dict[str, str]:
    try:
        found = store.read(kind, namespace, reference["name"])  # type: ignore[arg-type]
    except ApiError as error:
        if error.status == 404 and reference.get("optional"):
            return {}
        raise ConfigError(f'{what} "{reference["name"]}" not found') from error
    data = found.get("data") or {}
    if kind is SECRET:
        return {name: base64.b64decode(text).decode() for name, text in data.items()}
    return dict(data)
