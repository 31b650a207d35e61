"""The routes of a use case while an A/B test splits its requests by entity.

Belongs here: which arm a variant is, and that callers choose none. Does not belong here: the program that assigns
(`deployment/routing/assignment_filter.py`), or everything else of a route (`routes.py`).
"""

from __future__ import annotations

import copy

from platform_assets.declaration.names import EXPERIMENT_HEADER, VARIANT_HEADER
from platform_assets.deployment.local.envoy_config.format import Json
from platform_assets.deployment.local.state import Arm, LocalUseCase
from platform_assets.deployment.routing.assignment_filter import lua_source, route_filter

TREATMENT = "treatment"
"""What the program calls an entity that gets the new version; every other word is answered by control."""


def shares(use_case: LocalUseCase) -> list[tuple[Arm, int]]:
    """The arms that answer requests of which no entity is known, and their shares in percent: under a split, control alone."""
    if use_case.split is None:
        return [(arm, arm.weight) for arm in use_case.arms if arm.weight > 0]
    return [(arm, 100) for arm in use_case.arms if arm.name == use_case.split.control]


def with_split(name: str, use_case: LocalUseCase, route: Json) -> list[Json]:
    """A use case's route, and before it that of treated entities where there is a split.

    Args:
        name: of the use case.
        use_case: its arms.
        route: to the arms of `shares`.
    """
    split = use_case.split
    if split is None:
        return [route | {"request_headers_to_remove": [VARIANT_HEADER, EXPERIMENT_HEADER]}]
    assignment, prefix = split.assignment, route["match"]["prefix"]
    source = lua_source(
        use_case=name,
        experiment=assignment.experiment,
        column=assignment.entity,
        traffic=assignment.traffic_buckets,
        treatment=assignment.treatment_buckets,
        score_path=f"{prefix}score",
    )
    # The program runs on the route that the request comes in by and has it chosen anew: a caller's own header chooses nothing.
    control = route | {"typed_per_filter_config": route_filter(source)}
    treated = copy.deepcopy(control)
    treated["match"]["headers"] = [{"name": VARIANT_HEADER, "string_match": {"exact": TREATMENT}}]
    (cluster,) = treated["route"]["weighted_clusters"]["clusters"]
    arm = next(arm for arm in use_case.arms if arm.name == split.treatment)
    cluster["name"] = arm.name
    cluster["response_headers_to_add"][0]["header"]["value"] = arm.version
    return [treated, control]
