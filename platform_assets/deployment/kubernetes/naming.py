"""How the target's objects are called and labelled.

Belongs here: names and labels, made of what they belong to. Does not belong here: the objects (`manifests/`, `routes/`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

FIELD_MANAGER = "platform-assets"
"""Owner of the fields that the target sets by server-side apply."""
PART_OF = "platform-assets"
USE_CASE_LABEL, ARM_LABEL, RELEASE_LABEL = (
    "platform-assets/use-case",
    "platform-assets/arm",
    "platform-assets/release",
)
COMPONENT_LABEL = "app.kubernetes.io/component"
SERVICE, BESIDE = "service", "beside"
"""Components: what answers requests, and what runs beside."""
OURS = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"
"""Selects every object that the target made."""

_LONGEST = 63
_DIGEST_LENGTH = 8


def dns_label(*parts: str) -> str:
    """Parts as one name by RFC 1123, at most 63 characters; different parts give different names.

    Underscores become hyphens. What is too long, or holds a character that names cannot have, is told apart by a digest at the end.

    Args:
        parts: the first begins with a letter.
    """
    plain = "-".join(part.replace("_", "-") for part in parts)
    name = re.sub(r"[^a-z0-9-]+", "-", plain.lower()).strip("-")
    told_apart = all(re.fullmatch(r"[a-z0-9_]+", part) for part in parts)
    if told_apart and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: _LONGEST - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"


def arm_name(use_case: str, fingerprint: str, generation: int) -> str:
    """Name of an arm and of all its objects: the use case, the release's digest, and a number that is never used twice.

    Args:
        use_case: its name.
        fingerprint: of the release.
        generation: grows with each arm of the target.
    """
    return dns_label(use_case, fingerprint[:_DIGEST_LENGTH], str(generation))


def label_value(text: str) -> str:
    """A text as the value of a label: at most 63 letters, digits and `- _ .`; one that is none is shortened and told apart by a digest."""
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[: _LONGEST - _DIGEST_LENGTH - 1]
    return f"{plain}-{digest}" if plain else digest


def labels(
    use_case: str, *, arm: str = "", version: str = "", fingerprint: str = "", component: str = SERVICE
) -> dict[str, str]:
    """Labels of an object of a use case, and of one of its arms where that is given."""
    found = {
        "app.kubernetes.io/name": label_value(use_case),
        "app.kubernetes.io/instance": arm,
        "app.kubernetes.io/version": label_value(version) if version else "",
        COMPONENT_LABEL: component,
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        USE_CASE_LABEL: label_value(use_case),
        ARM_LABEL: arm,
        RELEASE_LABEL: label_value(fingerprint) if fingerprint else "",
    }
    return {name: value for name, value in found.items() if value}


def pod_labels(arm: str) -> dict[str, str]:
    """What selects the pods of one arm; a selector cannot be changed later, so it holds nothing else."""
    return {"app.kubernetes.io/part-of": PART_OF, ARM_LABEL: arm}


def selector(wanted: Iterable[tuple[str, str]]) -> str:
    """Labels as the API takes them in a query."""
    return ",".join(f"{name}={value}" for name, value in wanted)
