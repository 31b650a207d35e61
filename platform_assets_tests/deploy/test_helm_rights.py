"""What each account of the chart may do on the cluster: what its process asks of the API, and no more."""

import pytest

from platform_assets.deployment.kubernetes.kinds import GATEWAY, OWNED
from platform_assets.orchestration.kubernetes.training_jobs import RAY_JOBS, TRAIN_JOBS, TRAINING_RUNTIMES
from platform_assets_tests.deploy.chart import PROFILES, Manifest, found, render

pytestmark = pytest.mark.kubernetes

CHANGE = {"get", "list", "watch", "create", "patch", "update", "delete"}


@pytest.fixture(scope="module", params=PROFILES)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(str(request.param))


def rules_of(manifests: list[Manifest], account: str) -> dict[str, set[str]]:
    """What an account may do: verbs by `group/resource`."""
    allowed: dict[str, set[str]] = {}
    for binding in (one for one in manifests if one["kind"] == "RoleBinding"):
        if account not in {subject["name"].removeprefix("platform-assets-") for subject in binding["subjects"]}:
            continue
        for rule in found(manifests, "Role", binding["roleRef"]["name"])["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    allowed.setdefault(f"{group}/{resource}", set()).update(rule["verbs"])
    return allowed


def test_who_deploys_may_change_every_kind_that_the_target_makes_and_no_other(manifests: list[Manifest]) -> None:
    allowed = rules_of(manifests, "code-location")
    istio = {"networking.istio.io"}
    owned = {
        f"{'' if kind.version == 'v1' else kind.version.partition('/')[0]}/{kind.plural}"
        for kind in OWNED
        if kind.version.partition("/")[0] not in istio
    }
    assert owned <= allowed.keys()
    for resource in owned:
        assert allowed[resource] == CHANGE, resource
    assert allowed[f"{GATEWAY.version.partition('/')[0]}/gateways"] == {"get"}
    changes = {resource for resource, verbs in allowed.items() if verbs & {"create", "patch", "update"}}
    assert changes == owned | {"coordination.k8s.io/leases"}


def test_webserver_and_daemon_reach_runs_alone(manifests: list[Manifest]) -> None:
    runs = {"batch/jobs", "batch/jobs/status", "/pods", "/pods/log", "/events"}
    webserver, daemon = rules_of(manifests, "webserver"), rules_of(manifests, "daemon")
    assert webserver.keys() == runs
    assert "create" not in set().union(*webserver.values())
    assert daemon.keys() == runs | {"/resourcequotas"}
    assert daemon["batch/jobs"] == {"create", "get", "list", "delete"}


@pytest.mark.parametrize("account", ["serving", "migrations", "mlflow", "stores"])
def test_who_asks_nothing_of_the_api_may_nothing(manifests: list[Manifest], account: str) -> None:
    assert rules_of(manifests, account) == {}


def test_nobody_has_rights_beyond_the_namespace_or_by_wildcard(manifests: list[Manifest]) -> None:
    assert not [one for one in manifests if one["kind"].startswith("ClusterRole")]
    for role in (one for one in manifests if one["kind"] == "Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])


def test_istio_in_place_of_the_gateway_api_changes_the_rights() -> None:
    allowed = rules_of(render("production", "--set", "serving.routes=istio"), "runs")
    groups = {resource.partition("/")[0] for resource in allowed}
    assert "networking.istio.io" in groups
    assert not {"gateway.networking.k8s.io", "gateway.envoyproxy.io"} & groups


def test_pods_reached_through_the_api_need_one_right_more() -> None:
    assert "/pods/proxy" not in rules_of(render("small"), "runs")
    assert "/pods/proxy" in rules_of(render("small", "--set", "serving.reach=api"), "runs")


def test_controllers_that_run_steps_need_rights_on_their_objects_of_runs_alone() -> None:
    plain, with_both = (
        rules_of(render("production", *arguments), "runs")
        for arguments in ((), ("--set", "runs.controllers={ray,train_job}"))
    )
    asked = {f"{one.group}/{one.plural}" for one in (RAY_JOBS, TRAIN_JOBS, TRAINING_RUNTIMES)}
    assert not asked & plain.keys()
    assert {one: with_both[one] for one in asked} == {one: {"create", "get", "list", "delete"} for one in asked}
    ray_alone = rules_of(render("production", "--set", "runs.controllers={ray}"), "runs")
    assert asked & ray_alone.keys() == {"ray.io/rayjobs"}


def test_nodes_are_read_where_that_is_wanted_and_nothing_else_goes_beyond_the_namespace() -> None:
    manifests = render("production", "--set", "runs.readNodes=true")
    [role] = [one for one in manifests if one["kind"] == "ClusterRole"]
    [binding] = [one for one in manifests if one["kind"] == "ClusterRoleBinding"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}]
    assert {subject["name"] for subject in binding["subjects"]} == {"platform-assets-daemon", "platform-assets-runs"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
