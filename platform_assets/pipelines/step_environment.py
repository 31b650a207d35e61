"""What a step finds where it runs: variables, secrets, resources and versions, and in what two places differ.

Belongs here: describing the place of this process and of a child, and comparing. Does not belong here: a pod, which is rendered from what
a cluster was given (`orchestration/rendered_step.py`).
"""

from __future__ import annotations

import multiprocessing
import platform
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import metadata
from typing import Any

from platform_assets.declaration.sections.compute import Compute
from platform_assets.registry.code_version import code_version
from platform_assets.settings import PREFIX, Settings, environment_variables

IN_PROCESS, MULTIPROCESS, KUBERNETES = "in-process", "multiprocess", "Kubernetes"
DISTRIBUTION = "platform-assets"
_WATCHED = re.compile(
    rf"({PREFIX}|DAGSTER_|MLFLOW_|FEAST_|AWS_|RAY_|NUMBA_)\w+|\w+_NUM_THREADS|POLARS_MAX_THREADS|PYTHONHASHSEED|PYTHONPATH|TZ|LANG|LC_ALL"
)
_SECRET = re.compile(r"(?i)password|passwd|secret|token|credential|access_key|api_?key")
_SECRET_SETTINGS = frozenset(PREFIX + name.upper() for name, field in Settings.model_fields.items() if not field.repr)

ALLOWED: Mapping[str, str] = {
    "variable HOME": "a folder of that place",
    f"variable {PREFIX}HOME": "a folder of that place",
    f"variable {PREFIX}DAGSTER": "a folder of that place",
    "variable DAGSTER_*": "Dagster's own storage and folders: a step reaches them through the instance alone",
    "secret DAGSTER_*": "Dagster's own storage: a step reaches it through the instance alone",
    f"variable {PREFIX}EXECUTOR": "says where steps run",
    f"variable {PREFIX}NAMESPACE": "only a cluster has one",
    f"variable {PREFIX}IMAGE": "only a cluster has one",
    f"variable {PREFIX}AUTOMATION": "read by Dagster's daemon, by no step",
    "version image": "only a pod has one",
}
"""Differences that change nothing of what a step computes, and why: patterns of `kind key`."""


@dataclass(frozen=True)
class StepEnvironment:
    """What a step finds.

    Attributes:
        place: where.
        variables: by name; None for a value that is not known or not to be shown.
        resources: what the step may use, by name.
        versions: of Python, the code, the image and each package that the platform needs.
    """

    place: str
    variables: Mapping[str, str | None]
    resources: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class EnvironmentDifference:
    """One key in which two places differ.

    Attributes:
        key: its kind and name: `variable X`, `secret X`, `resource X`, `version X`.
        first: its value in the first place; "-" where it has none, "(set)" for a secret.
        second: the same in the second.
        allowed: why it may differ; empty where it may not.
    """

    key: str
    first: str
    second: str
    allowed: str


def is_secret(name: str) -> bool:
    """Whether a variable's value is not to be shown."""
    return name in _SECRET_SETTINGS or _SECRET.search(name) is not None


def described(names: Collection[str] = ()) -> dict[str, Any]:
    """Variables and versions of this process, as JSON can hold them; of a secret its name alone.

    Args:
        names: variables to describe beside those that the platform or a library of its reads.
    """
    variables = {
        name: None if is_secret(name) else value
        for name, value in environment_variables().items()
        if name in names or _WATCHED.fullmatch(name)
    }
    return {"variables": variables, "versions": _versions()}


def described_by_child(names: Collection[str] = ()) -> dict[str, Any]:
    """The same of a process that this one starts as the multiprocess executor does."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(described, tuple(names)).result()


def declared_resources(compute: Compute) -> dict[str, str]:
    """What a step is declared to need: processes of one machine share it, so that nothing holds them to it."""
    return {
        "cpus": f"{compute.cpus:g}",
        "memory_gigabytes": f"{compute.memory_gigabytes:g}",
        "gpus": str(compute.gpus),
    }


def step_environment(place: str, description: Mapping[str, Any], compute: Compute) -> StepEnvironment:
    """A step's environment in a process of this machine."""
    return StepEnvironment(place, description["variables"], declared_resources(compute), description["versions"])


def environment_differences(
    first: StepEnvironment, second: StepEnvironment, allowed: Mapping[str, str] = ALLOWED
) -> list[EnvironmentDifference]:
    """In what two places differ, by key.

    Args:
        first: one place.
        second: another.
        allowed: patterns of keys that may differ, and why.
    """
    found = []
    for key, one, other in _compared(first, second):
        if one == other:
            continue
        reason = next((why for pattern, why in allowed.items() if fnmatchcase(key, pattern)), "")
        found.append(EnvironmentDifference(key, one, other, reason))
    return sorted(found, key=lambda difference: (bool(difference.allowed), difference.key))


def _compared(first: StepEnvironment, second: StepEnvironment) -> Iterator[tuple[str, str, str]]:
    for name in {*first.variables, *second.variables}:
        values = [(name in side.variables, side.variables.get(name)) for side in (first, second)]
        if is_secret(name):
            one, other = ("(set)" if known else "-" for known, _ in values)
            yield f"secret {name}", one, other
        elif all(known for known, _ in values) and any(value is None for _, value in values):
            continue  # in a Secret there: that it is set is all that can be known
        else:
            one, other = ("-" if not known else "(set)" if value is None else value for known, value in values)
            yield f"variable {name}", one, other
    for kind, one_side, other_side in (
        ("resource", first.resources, second.resources),
        ("version", first.versions, second.versions),
    ):
        for name in {*one_side, *other_side}:
            yield f"{kind} {name}", one_side.get(name, "-"), other_side.get(name, "-")


def _is_installed(name: str) -> bool:
    return any(metadata.distributions(name=name))


def _versions() -> dict[str, str]:
    packages = {f"package {name}": version for name, version in _packages(DISTRIBUTION)}
    return {"python": platform.python_version(), "code": code_version() or "-", **packages}


def _packages(root: str) -> Sequence[tuple[str, str]]:
    """Every distribution that the platform and its installed extras need: what was installed beside them changes no step."""
    from packaging.requirements import Requirement

    waiting, found = [root], {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found[name] = "-"
            continue
        found[name] = distribution.version
        for text in distribution.requires or ():
            needed = Requirement(text)
            is_wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if is_wanted or (name == root and _is_installed(needed.name)):
                waiting.append(re.sub(r"[-_.]+", "-", needed.name).lower())
    return sorted((name, version) for name, version in found.items() if name != root)
