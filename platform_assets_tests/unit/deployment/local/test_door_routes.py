"""Routes of the doors, made from a use case's own."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from platform_assets.deployment.local.envoy_config.doors import WRITTEN, asked_by_version, of_use_case, written_routes
from platform_assets.deployment.local.state import Arm


def arm(name: str, version: str, weight: int) -> Arm:
    return Arm(name=name, version=version, fingerprint="f", ready_path="/readyz", programs=(), weight=weight)


def route(**weights: int) -> dict[str, Any]:
    clusters = [{"name": name, "weight": weight, "response_headers_to_add": [name]} for name, weight in weights.items()]
    action = {"weighted_clusters": {"clusters": clusters}, "timeout": "15s", "retry_policy": {"retry_on": "reset"}}
    return {"match": {"prefix": "/v1/shop/"}, "route": action, "typed_per_filter_config": {"own": 1}}


def test_a_version_is_asked_for_by_its_model_where_several_have_traffic() -> None:
    arms = [
        arm("shop-1", "v3-0123456789ab", 95),
        arm("shop-2", "v4-0123456789ab", 5),
        arm("shop-3", "v5-0123456789ab", 0),
    ]
    assert asked_by_version(arms) == {"3": "shop-1", "4": "shop-2"}
    assert asked_by_version(arms[:1]) == {}
    same = [arm("shop-1", "v3-0123456789ab", 95), arm("shop-2", "v3-aaaaaaaaaaaa", 5)]
    assert asked_by_version(same) == {}, "one model in two releases: the weights decide"


def test_a_named_version_goes_to_its_arm_whatever_the_weights() -> None:
    routes = of_use_case("shop", [route(a=95, b=5)], {"3": "a", "4": "b"}, {"callers": 1})
    by_match = {next(iter(one["match"].values())): one for one in routes}
    for path in ("/v2/models/shop/versions/4", "/v1/shop/v2/models/shop/versions/4"):
        named = by_match[path]
        assert [(c["name"], c["weight"]) for c in named["route"]["weighted_clusters"]["clusters"]] == [("b", 100)]
        assert named["route"]["prefix_rewrite"] == "/v1/shop/v2/models/shop/versions/4"
        assert list(by_match).index(path) < list(by_match).index("/v2/models/shop")
    assert by_match["/v2/models/shop"]["route"]["weighted_clusters"] == route(a=95, b=5)["route"]["weighted_clusters"]
    for page in ("/v1/shop/metrics", "/v1/shop/page"):
        assert by_match[page]["typed_per_filter_config"] == {"callers": 1}
        assert by_match[page]["route"]["cluster"] == "door.pages"
    assert routes[-1] == route(a=95, b=5)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 100), min_size=1))
def test_a_model_s_path_has_every_condition_and_requirement_of_the_use_case(weights: dict[str, int]) -> None:
    own = [route(**weights) | {"match": {"prefix": "/v1/shop/", "headers": ["treated"]}}, route(**weights)]
    routes = of_use_case("shop", own, {}, {})
    moved = [one for one in routes if one["match"].get("path_separated_prefix") == "/v2/models/shop"]
    assert [one["match"].get("headers") for one in moved] == [["treated"], None]
    for before, after in zip(own, moved, strict=True):
        assert after["typed_per_filter_config"] == before["typed_per_filter_config"]
        assert after["route"] == before["route"] | {"prefix_rewrite": "/v1/shop/v2/models/shop"}


def test_pages_of_use_cases_without_a_release_have_the_door_that_is_the_same_for_all() -> None:
    (written,) = written_routes("15s", {})
    assert written["route"]["cluster"] == "door.pages"
    assert "typed_per_filter_config" not in written, "what the table requires: the strictest of all use cases' ways"
    written_paths = ("/v1/shop/page", "/v1/pages/reports/shop/drift.html")
    assert all(re.fullmatch(WRITTEN, path) for path in written_paths)
    assert not any(re.fullmatch(WRITTEN, path) for path in ("/v1/shop/score", "/v1/pages/reports/a/b/c"))
