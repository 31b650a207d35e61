"""Cross-checks of `compute`: which entry may say what.

Belongs here: rules between the keys of the section and `training.compute`. Does not belong here: limits of a single entry
(`sections/compute.py`), or whether a table of that name exists (`orchestration/assets/build.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.sections.compute import SERVICE_PODS

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

TRAINED = ("model",)


def compute_problems(use_case: UseCase) -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    """Problems of the section: path, offending value, message."""
    for key, compute in use_case.compute.items():
        layer = key.partition("/")[0]
        if compute.replicas is not None and key != SERVICE_PODS:
            yield ("compute", key, "replicas"), compute.replicas, "only `service` has replicas: a step runs once"
        if compute.on != "job" and layer not in TRAINED:
            yield (
                ("compute", key, "on"),
                compute.on,
                "only `model` and its tables are trained on something else than a job",
            )
        if layer in TRAINED and use_case.training.compute is not None:
            yield (
                ("compute", key),
                key,
                "`training.compute` already says what the steps of `model` need: keep one of the two",
            )
    trained = use_case.training.compute
    if trained is not None and trained.replicas is not None:
        yield ("training", "compute", "replicas"), trained.replicas, "only `service` has replicas: a step runs once"
