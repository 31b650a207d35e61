"""What every kind of route says of a use case's requests.

Belongs here: paths, headers, limits and the program of an A/B test, as values. Does not belong here: how one kind of object writes them
(a module each).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platform_assets.declaration.names import EXPERIMENT_HEADER, SHADOW_HEADER, VARIANT_HEADER
from platform_assets.deployment.kubernetes.routes.base import ArmShare, RouteSplit
from platform_assets.deployment.routing.assignment_filter import lua_source
from platform_assets.deployment.routing.paths import arms_by_version, open_inference_path, path_prefix

TREATMENT = "treatment"
"""What the program calls an entity that gets the new version."""
RETRY_COUNT = 60
"""Attempts for a request that got no answer at all; what ends them is the request's timeout."""
RETRY_BASE, RETRY_MAX = "25ms", "1s"
RETRY_ON = ("connect-failure", "refused-stream", "reset")


@dataclass(frozen=True)
class RoutedPath:
    """A part of the address, and who answers there.

    Attributes:
        name: short, and different for each of a use case's.
        prefix: of the paths, whole segments, without a slash at the end.
        instead: what a service sees in the prefix's place; None for the prefix itself.
        shares: who answers; they add up to 100.
        variant: only requests that the program calls so; None for all.
    """

    name: str
    prefix: str
    instead: str | None
    shares: tuple[ArmShare, ...]
    variant: str | None = None


def routed_paths(use_case: str, shares: Sequence[ArmShare], split: RouteSplit | None) -> list[RoutedPath]:
    """The parts of the address that belong to a use case, the most particular first.

    A version of a model that is asked for by name is answered by its arm, whatever the shares are. Under a split everything whose entity
    is not treated is control's.
    """
    own, model = path_prefix(use_case).rstrip("/"), open_inference_path(use_case)
    below = own + model
    named = [
        RoutedPath(f"version-{number}-{where}", f"{path}/versions/{version}", below, (_alone(shares, arm),))
        for number, (version, arm) in enumerate(
            sorted(arms_by_version((share.name, share.version) for share in shares).items())
        )
        for where, path in (("v2", model), ("below", below))
    ]
    everything = [("v2", model, below), ("v1", own, None)]
    if split is None:
        return named + [RoutedPath(name, prefix, instead, tuple(shares)) for name, prefix, instead in everything]
    arms = ((TREATMENT, split.treatment), (None, split.control))
    return named + [
        RoutedPath(f"{name}-{variant or 'control'}", prefix, instead, (_alone(shares, arm),), variant)
        for name, prefix, instead in everything
        for variant, arm in arms
    ]


def program(use_case: str, split: RouteSplit) -> str:
    """The program that says of each request whether its entity is treated: the same as the local target's proxy runs."""
    told = split.assignment
    return lua_source(
        use_case=use_case,
        experiment=told.experiment,
        column=told.entity,
        traffic=told.traffic_buckets,
        treatment=told.treatment_buckets,
        score_path=f"{path_prefix(use_case)}score",
    )


def removed_headers(split: RouteSplit | None) -> list[str]:
    """What a caller may not say: the program alone speaks of variants, and no caller's request is a copy."""
    return [SHADOW_HEADER] if split is not None else [SHADOW_HEADER, VARIANT_HEADER, EXPERIMENT_HEADER]


def _alone(shares: Sequence[ArmShare], name: str) -> ArmShare:
    share = next(share for share in shares if share.name == name)
    return ArmShare(share.name, share.version, 100)
