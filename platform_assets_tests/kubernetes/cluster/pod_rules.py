"""Rules between the fields of a pod.

Belongs here: what an API server refuses in a pod or a template for one. Does not belong here: what the schema says, other kinds.
"""

import re
from collections.abc import Iterator
from typing import Any

from platform_assets_tests.kubernetes.cluster.values import quantity

Cause = tuple[str, str, str]
LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
VARIABLE = re.compile(r"^[^=\s\x00-\x1f]+$")
HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
CHOICES = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
}
MUTABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates", "nodeName")
DNS_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)


def required(field: str, what: str = "") -> Cause:
    """A field that must be there."""
    return ("FieldValueRequired", field, f"Required value: {what}" if what else "Required value")


def wrong(field: str, value: Any, why: str) -> Cause:
    """A value that is none."""
    shown = f'"{value}"' if isinstance(value, str) else value
    return ("FieldValueInvalid", field, f"Invalid value: {shown}: {why}")


def unsupported(field: str, value: Any, choices: tuple[str, ...]) -> Cause:
    """A value that is not among the choices."""
    told = ", ".join(f'"{choice}"' for choice in choices)
    return ("FieldValueNotSupported", field, f'Unsupported value: "{value}": supported values: {told}')


def pod_causes(spec: dict[str, Any], at: str) -> Iterator[Cause]:
    """What is wrong with the spec of a pod.

    Args:
        spec: with its defaults.
        at: its path, such as `spec.template.spec`.
    """
    if not spec.get("containers"):
        yield required(f"{at}.containers")
    for field, choices in CHOICES.items():
        if spec.get(field) not in (None, *choices):
            yield unsupported(f"{at}.{field}", spec[field], choices)
    volumes: set[str] = set()
    for place, volume in enumerate(spec.get("volumes") or []):
        where, name = f"{at}.volumes[{place}]", volume.get("name") or ""
        yield from _name(name, f"{where}.name", volumes)
        volumes.add(name)
        if len([key for key, value in volume.items() if key != "name" and value is not None]) > 1:
            yield ("FieldValueForbidden", where, "Forbidden: may not specify more than 1 volume type")
    names: set[str] = set()
    for group in ("initContainers", "containers"):
        for place, container in enumerate(spec.get(group) or []):
            where = f"{at}.{group}[{place}]"
            yield from _name(container.get("name") or "", f"{where}.name", names)
            names.add(container.get("name") or "")
            yield from _container(container, where, volumes)


def _name(name: str, where: str, taken: set[str]) -> Iterator[Cause]:
    if not name:
        yield required(where)
    elif len(name) > 63 or not LABEL.match(name):
        yield wrong(where, name, DNS_LABEL)
    if name and name in taken:
        yield ("FieldValueDuplicate", where, f'Duplicate value: "{name}"')


def _container(container: dict[str, Any], at: str, volumes: set[str]) -> Iterator[Cause]:
    if not (container.get("image") or "").strip():
        yield required(f"{at}.image")
    if container.get("imagePullPolicy") not in (None, "Always", "IfNotPresent", "Never"):
        yield unsupported(f"{at}.imagePullPolicy", container["imagePullPolicy"], ("Always", "IfNotPresent", "Never"))
    ports: set[str] = set()
    for place, port in enumerate(container.get("ports") or []):
        where = f"{at}.ports[{place}]"
        if not 0 < (port.get("containerPort") or 0) < 65536:
            yield wrong(f"{where}.containerPort", port.get("containerPort"), "must be between 1 and 65535, inclusive")
        if name := port.get("name"):
            if len(name) > 15:
                yield wrong(f"{where}.name", name, "must be no more than 15 characters")
            if name in ports:
                yield ("FieldValueDuplicate", f"{where}.name", f'Duplicate value: "{name}"')
            ports.add(name)
    for place, variable in enumerate(container.get("env") or []):
        where, name = f"{at}.env[{place}]", variable.get("name") or ""
        if not name:
            yield required(f"{where}.name")
        elif not VARIABLE.match(name):
            yield wrong(f"{where}.name", name, "a valid environment variable name must not contain '='")
        if variable.get("value") and variable.get("valueFrom"):
            yield wrong(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
    mounted: set[str] = set()
    for place, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{at}.volumeMounts[{place}]"
        if mount.get("name") not in volumes:
            yield ("FieldValueNotFound", f"{where}.name", f'Not found: "{mount.get("name")}"')
        path = mount.get("mountPath") or ""
        if not path:
            yield required(f"{where}.mountPath")
        elif path in mounted:
            yield wrong(f"{where}.mountPath", path, "must be unique")
        mounted.add(path)
    yield from _resources(container.get("resources") or {}, f"{at}.resources")
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if (probe := container.get(name)) is not None:
            yield from _handler(probe, f"{at}.{name}")
    for name, handler in (container.get("lifecycle") or {}).items():
        if name in ("postStart", "preStop"):
            yield from _handler(handler, f"{at}.lifecycle.{name}", (*HANDLERS, "sleep"))


def _resources(resources: dict[str, Any], at: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, value in requests.items():
        if quantity(value) < 0:
            yield wrong(f"{at}.requests.{name}", value, "must be greater than or equal to 0")
        if name in limits and quantity(value) > quantity(limits[name]):
            yield wrong(f"{at}.requests", str(value), f"must be less than or equal to {name} limit of {limits[name]}")
    for name, value in limits.items():
        if "/" in name and quantity(requests.get(name, value)) != quantity(value):
            yield wrong(f"{at}.requests", str(requests[name]), f"must be equal to {name} limit of {value}")


def _handler(probe: dict[str, Any], at: str, handlers: tuple[str, ...] = HANDLERS) -> Iterator[Cause]:
    found = [name for name in handlers if probe.get(name) is not None]
    if not found:
        yield required(at, "must specify a handler type")
    if len(found) > 1:
        yield ("FieldValueForbidden", f"{at}.{found[1]}", "Forbidden: may not specify more than 1 handler type")
    if probe.get("httpGet") is not None and probe["httpGet"].get("port") in (None, ""):
        yield required(f"{at}.httpGet.port")


def pod_update_causes(new: dict[str, Any], old: dict[str, Any]) -> Iterator[Cause]:
    """What may not change in a pod that is there."""

    def frozen(spec: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in spec.items() if key not in MUTABLE}
        for group in ("containers", "initContainers"):
            if kept.get(group):
                kept[group] = [{**container, "image": ""} for container in kept[group]]
        return kept

    if frozen(new) != frozen(old) or (old.get("nodeName") and new.get("nodeName") != old["nodeName"]):
        allowed = (
            "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
        )
        yield ("FieldValueForbidden", "spec", f"Forbidden: pod updates may not change fields other than {allowed}")
