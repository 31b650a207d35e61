"""Label and field selectors.

Belongs here: reading both languages and matching an object. Does not belong here: where the objects come from.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import bad_request

Test = Callable[[Mapping[str, Any]], bool]
IN = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)$")
COMPARED = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
PRESENT = re.compile(r"^(?P<absent>!?)\s*(?P<key>[^\s!=,()]+)$")
EMPTY_FIELDS: Mapping[str, str] = {"spec.unschedulable": "false"}


SELECTABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "events"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "secrets"): ("type",),
    ("", "namespaces"): ("status.phase",),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
}
"""Fields that a real API server selects by, beside name and namespace."""


def check_fields(text: str, group: str, plural: str) -> None:
    """Refuse a field selector that a real API server does not know for this kind.

    Raises:
        ApiError: 400.
    """
    for term in _terms(text):
        key = re.split(r"[!=]", term, maxsplit=1)[0].strip()
        if key not in ("metadata.name", "metadata.namespace", *SELECTABLE.get((group, plural), ())):
            raise bad_request(f"field label not supported: {key}")


def _terms(text: str) -> list[str]:
    """Terms between commas that stand in no parentheses."""
    return [term.strip() for term in re.split(r",(?![^(]*\))", text) if term.strip()]


def _label_term(term: str) -> Test:
    if found := IN.match(term):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["how"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := COMPARED.match(term):
        key, value = found["key"], found["value"]
        if found["how"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := PRESENT.match(term):
        key, absent = found["key"], bool(found["absent"])
        return lambda labels: (key in labels) != absent
    raise bad_request(f'unable to parse requirement: found "{term}"')


def label_test(text: str) -> Test:
    """A test for labels as `app=web,tier in (a, b),!old` writes it.

    Raises:
        ApiError: 400 for what cannot be read.
    """
    terms = [_label_term(term) for term in _terms(text)]
    return lambda labels: all(term(labels) for term in terms)


def field_value(body: Mapping[str, Any], path: str) -> str:
    """The value at a path such as `status.phase`, as text; empty where there is none."""
    value: Any = body
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is None:
        return EMPTY_FIELDS.get(path, "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def field_test(text: str) -> Test:
    """A test for an object as `metadata.name=a,status.phase!=Running` writes it.

    Raises:
        ApiError: 400 for what cannot be read.
    """
    tests: list[Test] = []
    for term in _terms(text):
        found = COMPARED.match(term)
        if not found:
            raise bad_request(f'invalid field selector: "{term}"')
        key, value, differs = found["key"], found["value"], found["how"] == "!="
        tests.append(lambda body, key=key, value=value, differs=differs: (field_value(body, key) == value) != differs)  # type: ignore[misc]
    return lambda body: all(test(body) for test in tests)


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector object (`matchLabels`, `matchExpressions`) takes these labels; an absent one takes none, an empty one all."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for term in selector.get("matchExpressions") or []:
        key, values, present = term["key"], term.get("values") or [], term["key"] in labels
        allowed = {
            "In": present and labels.get(key) in values,
            "NotIn": not present or labels[key] not in values,
            "Exists": present,
            "DoesNotExist": not present,
        }
        if not allowed.get(term["operator"], False):
            return False
    return True
