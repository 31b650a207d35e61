"""Cross-checks of how a new version takes over: which stages can follow each other, and which use cases can have them.

Belongs here: rules about `serving.rollout`. Does not belong here: what one stage can say
wrong by itself (`sections/rollout.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def rollout_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the stages; paths start at the use case."""
    stages = use_case.serving.rollout
    answered = ""
    for i, stage in enumerate(stages):
        where, name = ("serving", "rollout", i, "strategy"), stage.strategy
        if name in [earlier.strategy for earlier in stages[:i]]:
            yield where, name, f"{name} is declared twice: a rollout has each strategy once"
        if stage.only_last and i + 1 < len(stages):
            yield where, name, f"{name} gives the new version everything: nothing can follow it, write it last"
        if stage.only_first and answered:
            yield where, name, f"{name} is for a version that answers nobody yet: write it before {answered}"
        if stage.waits and use_case.serving.mode in ("batch", "streaming"):
            yield (
                where,
                name,
                f"{name} compares versions that answer requests; serving.mode is {use_case.serving.mode}: use replace",
            )
        elif stage.needs_experiment:
            yield from ((where, name, message) for message in _experiment_lacks(use_case, name))
        answered = answered or ("" if stage.only_first else name)


def _experiment_lacks(use_case: UseCase, name: str) -> Iterator[str]:
    experiment = use_case.experiment
    if experiment is None:
        yield f"{name} runs what `experiment` plans, and none is declared: declare it with its measure and assign_by"
    elif experiment.assign_by is None:
        yield f"{name} gives each entity always the same version: declare experiment.assign_by"
    elif (
        experiment.assign_by in use_case.event_source.column_names
        and experiment.assign_by not in use_case.serving.request
    ):
        yield f"the proxy assigns by {experiment.assign_by!r}, which a request does not carry: add it to serving.request"
