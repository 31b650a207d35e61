"""The local target's state and the configuration files rendered from it."""

import configparser
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.deployment.errors import StateUnreadable, TargetUnavailable
from platform_assets.deployment.local import LocalTarget, envoy_config
from platform_assets.deployment.local.host import (
    SOCKET_PATH_BYTES,
    free_port,
    make_directory,
    make_private_directory,
    port_is_free,
    socket_path,
)
from platform_assets.deployment.local.state import Arm, Program, TargetState, load_state, save_state
from platform_assets.deployment.local.supervisor import render_main, render_program
from platform_assets.deployment.rollout.machine import begin
from platform_assets.deployment.rollout.stages import Assignment, Stage, StageKind, planned
from platform_assets.deployment.rollout.state import Phase

DIRECTORY = Path("/target/envoy/dynamic")
ASSIGNMENT = Assignment("card_fraud-1", "customer_id", 10_000, 3_000)
MIRROR = Stage(StageKind.MIRROR, 40, observe=True)
STEP = Stage(StageKind.WEIGHT, 10, observe=True)
SPLIT = Stage(StageKind.SPLIT, 30, observe=True, assignment=ASSIGNMENT)


def arm(name: str, version: str, *ports: int) -> Arm:
    programs = tuple(Program(name=f"{name}-{index}", port=port) for index, port in enumerate(ports))
    return Arm(name=name, version=version, fingerprint="f", ready_path="/readyz", programs=programs)


def state() -> TargetState:
    empty = TargetState(target_id="t", envoy_port=8700, admin_port=8701)
    filled = empty.with_arm("card_fraud", arm("card_fraud-1", "3", 20001)).with_weights(
        "card_fraud", {"card_fraud-1": 100}
    )
    return filled.with_arm("card_fraud", arm("card_fraud-2", "4", 20002, 20003))


def table(text: str) -> dict[str, dict[str, Any]]:
    routes = json.loads(text)["resources"][0]["virtual_hosts"][0]["routes"]
    return {json.dumps(route["match"]): route for route in routes}


def test_an_arm_without_traffic_is_not_in_the_proxy() -> None:
    clusters = json.loads(envoy_config.render_clusters(state()))["resources"]
    assert [cluster["name"] for cluster in clusters] == ["card_fraud-1"]


def test_a_moved_arm_keeps_both_clusters_but_only_one_route() -> None:
    moved = state().with_weights("card_fraud", {"card_fraud-2": 100})
    clusters = {cluster["name"]: cluster for cluster in json.loads(envoy_config.render_clusters(moved))["resources"]}
    assert set(clusters) == {"card_fraud-1", "card_fraud-2"}
    endpoints = clusters["card_fraud-2"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    ports = [endpoint["endpoint"]["address"]["socket_address"]["port_value"] for endpoint in endpoints]
    assert ports == [20002, 20003]
    assert clusters["card_fraud-2"]["health_checks"][0]["http_health_check"]["path"] == "/readyz"
    route = table(envoy_config.render_routes(moved, 15.0)[0])['{"prefix": "/v1/card_fraud/"}']
    weights = {share["name"]: share["weight"] for share in route["route"]["weighted_clusters"]["clusters"]}
    assert weights == {"card_fraud-2": 100}


def test_shares_between_versions_carry_each_version_in_its_answers() -> None:
    shared = state().with_weights("card_fraud", {"card_fraud-1": 90, "card_fraud-2": 10})
    route = table(envoy_config.render_routes(shared, 15.0)[0])['{"prefix": "/v1/card_fraud/"}']
    shares = route["route"]["weighted_clusters"]["clusters"]
    seen = {share["response_headers_to_add"][0]["header"]["value"]: share["weight"] for share in shares}
    assert seen == {"3": 90, "4": 10}


def test_a_mirror_gets_marked_copies_of_a_share_and_can_hold_few_of_them() -> None:
    mirrored = state().with_mirror("card_fraud", "card_fraud-2", 30)
    clusters = {c["name"]: c for c in json.loads(envoy_config.render_clusters(mirrored))["resources"]}
    most = {name: c["circuit_breakers"]["thresholds"][0]["max_requests"] for name, c in clusters.items()}
    assert most == {"card_fraud-1": 1_000_000, "card_fraud-2": 64}
    route = table(envoy_config.render_routes(mirrored, 15.0)[0])['{"prefix": "/v1/card_fraud/"}']["route"]
    [policy] = route.pop("request_mirror_policies")
    assert policy["cluster"] == "card_fraud-2"
    assert policy["runtime_fraction"]["default_value"] == {"numerator": 30, "denominator": "HUNDRED"}
    [mutation] = policy["request_headers_mutations"]
    assert mutation["append"]["header"] == {"key": "x-platform-assets-shadow", "value": "1"}
    plain = table(envoy_config.render_routes(state(), 15.0)[0])['{"prefix": "/v1/card_fraud/"}']["route"]
    assert route == plain
    assert mirrored.with_mirror("card_fraud", None).use_case("card_fraud").mirror is None
    assert mirrored.without_arm("card_fraud", "card_fraud-2").use_case("card_fraud").mirror is None


def test_callers_cannot_speak_for_the_proxy() -> None:
    text = envoy_config.render_listeners(state(), DIRECTORY, None)
    removed = [mutation["remove"] for mutations in _values(json.loads(text), "mutations") for mutation in mutations]
    assert removed == [f"x-platform-assets-{name}" for name in ("shadow", "variant", "experiment", "arm")]


def test_a_second_use_case_changes_nothing_of_the_first() -> None:
    both = state().with_arm("churn", arm("churn-3", "1", 20004)).with_weights("churn", {"churn-3": 100})
    before, after = (
        table(envoy_config.render_routes(state(), 15.0)[0]),
        table(envoy_config.render_routes(both, 15.0)[0]),
    )
    assert after['{"prefix": "/v1/card_fraud/"}'] == before['{"prefix": "/v1/card_fraud/"}']
    assert '{"prefix": "/v1/churn/"}' in after
    old, new = (json.loads(envoy_config.render_clusters(s))["resources"] for s in (state(), both))
    assert new[0] == old[0]


def test_the_version_in_force_changes_with_the_weights_and_only_then() -> None:
    text, version = envoy_config.render_routes(state(), 15.0)
    assert envoy_config.render_routes(state(), 15.0) == (text, version)
    assert envoy_config.render_routes(state().with_weights("card_fraud", {"card_fraud-2": 100}), 15.0)[1] != version
    answer = table(text)['{"path": "/-/routing"}']["direct_response"]["body"]["inline_string"]
    assert json.loads(answer) == {"target": "t", "version": version}


def test_everything_listens_on_loopback_only() -> None:
    texts = [
        envoy_config.render_bootstrap("t", DIRECTORY, Path("/target/run/envoy.sock"), 100),
        envoy_config.render_listeners(state(), DIRECTORY, Path("/target/access.log")),
        envoy_config.render_clusters(state()),
    ]
    addresses = [row for text in texts for row in _values(json.loads(text), "socket_address")]
    assert {address["address"] for address in addresses} == {"127.0.0.1"}
    assert {address["port_value"] for address in addresses} == {8700, 20001}


def test_the_proxy_s_own_interface_is_a_private_socket_and_callers_are_limited() -> None:
    text = envoy_config.render_bootstrap("t", DIRECTORY, Path("/target/run/envoy.sock"), 4321)
    assert json.loads(text)["admin"]["address"] == {"pipe": {"path": "/target/run/envoy.sock", "mode": 0o600}}
    assert _values(json.loads(text), "max_active_downstream_connections") == [4321]


@pytest.mark.parametrize(("open_files", "connections"), [(1024, 256), (20_000, 9744), (65_536, 20_000), (256, 200)])
def test_each_caller_may_need_two_of_the_open_files(open_files: int, connections: int) -> None:
    assert envoy_config.most_connections(open_files) == connections


def _values(node: Any, key: str) -> list[Any]:
    if isinstance(node, list):
        return [found for child in node for found in _values(child, key)]
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == key] + [f for child in node.values() for f in _values(child, key)]
    return []


@pytest.mark.parametrize("weights", [{"card_fraud-1": 99}, {"card_fraud-1": 50, "card_fraud-2": 51}, {"gone": 100}])
def test_weights_that_lose_traffic_cannot_be_stored(weights: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="100 over existing arms"):
        state().with_weights("card_fraud", weights)


def test_state_survives_being_stored(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert load_state(path) is None
    rollout, _ = begin("card_fraud-2", "card_fraud-1", planned([MIRROR, STEP, SPLIT]))
    stored = state().with_rollout("card_fraud", rollout)
    split = stored.with_weights("card_fraud", {"card_fraud-1": 70, "card_fraud-2": 30}, "card_fraud-2", ASSIGNMENT)
    for each in (stored, split, stored.with_mirror("card_fraud", "card_fraud-2", 40)):
        save_state(path, each)
        assert load_state(path) == each
    assert split.with_weights("card_fraud", {"card_fraud-2": 100}).use_case("card_fraud").split is None
    assert path.stat().st_mode & 0o077 == 0


BEFORE_MIRRORS = """{"target_id": "t", "envoy_port": 8700, "admin_port": 8701, "generation": 2, "use_cases": {"card_fraud": {"arms": [
{"name": "card_fraud-1", "version": "3", "fingerprint": "f", "ready_path": "/readyz",
 "programs": [{"name": "card_fraud-1-0", "port": 20001}], "weight": 90, "exposed": true},
{"name": "card_fraud-2", "version": "4", "fingerprint": "g", "ready_path": "/readyz",
 "programs": [{"name": "card_fraud-2-0", "port": 20002}], "weight": 10, "exposed": true}],
"rollout": {"phase": "shifting", "new": "card_fraud-2", "old": "card_fraud-1", "steps": [10, 100], "step": 0, "reason": ""}}}}"""
"""What the first local target wrote in the middle of a rollout."""


def test_a_state_from_before_there_were_mirrors_and_plans_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(BEFORE_MIRRORS)
    stored = load_state(path)
    assert stored is not None
    rollout = stored.use_case("card_fraud").rollout
    step = replace(STEP, observe=False)
    assert rollout == replace(begin("card_fraud-2", "card_fraud-1", planned([step]))[0], phase=Phase.SHIFTING)
    save_state(path, stored)
    assert {"mirror", "split"}.isdisjoint(json.loads(path.read_text())["use_cases"]["card_fraud"])
    mirrored = stored.with_mirror("card_fraud", "card_fraud-2")
    save_state(path, mirrored)
    assert load_state(path) == mirrored


def test_a_damaged_state_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"target_id": "t", "envoy_port"')
    with pytest.raises(StateUnreadable, match=str(path)):
        load_state(path)


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters=";"), min_size=1), min_size=1
    )
)
def test_a_program_runs_exactly_the_command_it_was_given(command: list[str]) -> None:
    text = render_program("churn-1-0", command, Path("/all logs/a.log"), priority=100, stop_seconds=30)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
    parser.read_string(text)
    section = parser["program:churn-1-0"]
    assert shlex.split(section["command"] % {}) == command
    assert section["stdout_logfile"] == "/all logs/a.log"


def test_supervisord_is_reached_through_a_private_socket_alone() -> None:
    text = render_main(Path("/target"), Path("/target/run/supervisor.sock"), "abc", as_root=False, open_files=20_000)
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert "inet_http_server" not in parser
    assert parser["unix_http_server"]["chmod"] == "0700"
    assert "user" not in parser["supervisord"]
    assert (parser["supervisord"]["umask"], parser["supervisord"]["minfds"]) == ("077", "20000")


@pytest.mark.parametrize("depth", [1, 5, 40])
def test_the_socket_path_fits_however_deep_the_root_lies(depth: int) -> None:
    path = socket_path(Path("/", *["directory"] * depth), "0123456789abcdef", "supervisor.sock")
    assert len(str(path).encode()) <= SOCKET_PATH_BYTES
    assert (path.parts[1] == "tmp") == (depth == 40)


def test_free_ports_are_free_and_below_those_of_outgoing_connections() -> None:
    first = free_port(1234, set())
    second = free_port(1234, {first})
    assert first != second
    assert port_is_free(first)
    assert 20_000 <= first < 49_152


@pytest.mark.parametrize(("root", "port"), [("/srv/a;b", 8700), ("/srv/50%", 8700), ("/srv/a", 0), ("/srv/a", 70_000)])
def test_a_root_or_port_that_cannot_work_is_refused_at_once(root: str, port: int) -> None:
    with pytest.raises(ValueError, match=r"local target cannot|envoy_port must"):
        LocalTarget(Path(root), port)


def test_a_place_for_the_socket_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(TargetUnavailable, match="move it away"):
        make_private_directory(tmp_path / "open")
    make_directory(tmp_path / "open")


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetUnavailable, match=str(tmp_path / "file")):
        make_directory(tmp_path / "file" / "root")


def test_a_split_sends_treated_entities_to_their_arm_and_all_others_to_control() -> None:
    weights = {"card_fraud-1": 70, "card_fraud-2": 30}
    split = state().with_weights("card_fraud", weights, "card_fraud-2", ASSIGNMENT)
    treated, control = (
        route
        for route in json.loads(envoy_config.render_routes(split, 10)[0])["resources"][0]["virtual_hosts"][0]["routes"]
        if route["match"].get("prefix") == "/v1/card_fraud/"
    )
    for route, arm_name, version in ((treated, "card_fraud-2", "4"), (control, "card_fraud-1", "3")):
        (cluster,) = route["route"]["weighted_clusters"]["clusters"]
        assert (cluster["name"], cluster["weight"]) == (arm_name, 100)
        assert cluster["response_headers_to_add"][0]["header"]["value"] == version
        assert "local TREATMENT = 3000" in json.dumps(route["typed_per_filter_config"])
        assert "request_headers_to_remove" not in route
    assert treated["match"]["headers"][0]["string_match"] == {"exact": "treatment"}
    assert "headers" not in control["match"]


def test_without_a_split_a_caller_s_own_word_of_an_experiment_is_removed() -> None:
    (route,) = [
        route
        for match, route in table(envoy_config.render_routes(state(), 10)[0]).items()
        if '/v1/card_fraud/"' in match
    ]
    assert route["request_headers_to_remove"] == ["x-platform-assets-variant", "x-platform-assets-experiment"]
    assert "typed_per_filter_config" not in route
