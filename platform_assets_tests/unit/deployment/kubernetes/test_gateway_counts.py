"""The gateway's counts of arms, in blocks from look to look."""

from platform_assets.deployment.kubernetes import counters
from platform_assets.deployment.kubernetes.counters import differences, thinned, totals_of
from platform_assets.deployment.kubernetes.drain import in_flight
from platform_assets.deployment.rollout.view import CounterBlock

TEXT = """# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{envoy_cluster_name="serving/churn-ab-1:3000"} 40
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="serving/churn-ab-1:3000"} 37
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="serving/churn-ab-1:3000"} 3
envoy_cluster_upstream_rq_completed{envoy_cluster_name="outbound|3000||churn-ab-11.serving.svc.cluster.local"} 7
envoy_cluster_upstream_rq_completed{envoy_cluster_name="other"} 1000
"""


def test_requests_and_errors_are_those_of_the_arm_alone() -> None:
    assert totals_of(TEXT, ["churn-ab-1", "churn-ab-11"]) == {"churn-ab-1": (40, 3), "churn-ab-11": (7, 0)}


def test_a_block_is_what_came_since_the_last_look_also_of_a_gateway_that_began_anew() -> None:
    blocks = differences({"a": (40, 3), "b": (7, 0)}, {"a": (50, 4), "b": (2, 1)}, "now")
    assert blocks == [CounterBlock("now", "a", 10, 1), CounterBlock("now", "b", 2, 1)]
    assert differences({"a": (50, 4)}, {"a": (50, 4)}, "now") == []


def test_a_long_experiment_keeps_its_sums_in_what_a_config_map_holds() -> None:
    blocks = [CounterBlock(f"{n:06}", "ab"[n % 2], n, 1) for n in range(counters.MOST_BLOCKS + 1)]
    kept = thinned(blocks)
    assert len(kept) < len(blocks)
    for arm in "ab":
        assert sum(b.requests for b in kept if b.arm == arm) == sum(b.requests for b in blocks if b.arm == arm)


def test_what_asks_for_the_metric_is_not_in_flight() -> None:
    name = "bentoml_service_request_in_progress"
    text = f'{name}{{endpoint="/score"}} 2.0\n{name}{{endpoint="/metrics"}} 1.0\n'
    assert in_flight(text, name) == 2
    assert in_flight("1", name) is None
