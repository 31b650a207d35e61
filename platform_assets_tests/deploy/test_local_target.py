"""The local target with real processes: what a user of the address and of the commands notices."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from platform_assets.deployment.errors import PortInUse, ProbeFailed, StartFailed, StateUnreadable, TargetBusy
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import port_is_free
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.stages import Stage, StageKind, planned
from platform_assets_tests.deploy.conftest import load, marked, text, wait_for

pytestmark = pytest.mark.slow

MakeTarget = Callable[..., LocalTarget]
MakeRelease = Callable[..., Release]


def test_a_release_answers_at_the_address_under_its_version(target: LocalTarget, release: MakeRelease) -> None:
    probed: list[str] = []
    result = target.deploy(release("1.0", probe=lambda url: probed.append(text(f"{url}/anything"))))
    answer = httpx.get(f"{result.address}/score", trust_env=False)
    assert (answer.status_code, answer.text, answer.headers["x-service-version"]) == (200, "1.0", "1.0")
    assert probed == ["1.0"]
    assert (result.changed, result.previous_version) == (True, None)
    assert set(result.timings_seconds) == {"start", "probe", "shift", "total"}
    status = target.status()
    seen = status.use_cases["card_fraud"]
    assert status.running
    assert (seen.version, dict(seen.weights), seen.serving, seen.rollout) == ("1.0", {"1.0": 100}, True, None)
    assert all(status.resident_bytes.values())
    unknown = httpx.get(f"{status.address}/v1/churn/score", trust_env=False)
    assert (unknown.status_code, unknown.json()["deployed"]) == (404, ["/v1/card_fraud/"])


def test_new_versions_take_over_under_load_without_a_lost_request(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    with load(f"{address}/score", per_second=100) as seen:
        time.sleep(1)
        second = target.deploy(release("2", processes=2))
        time.sleep(0.5)
        third = target.deploy(
            release("3"), planned(Stage(StageKind.WEIGHT, share, observe=False) for share in (20, 60))
        )
        time.sleep(0.5)
    sent = seen.pop("sent")
    assert set(seen) == {"1", "2", "3"}
    assert sum(seen.values()) == sent
    assert (second.address, third.address) == (address, address)
    assert (second.previous_version, third.previous_version) == ("1", "2")
    assert [process.version for process in target.status().use_cases["card_fraud"].processes] == ["3"]


def test_a_request_in_flight_is_answered_by_the_version_that_got_it(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    answers: list[str] = []
    with httpx.Client(
        trust_env=False, timeout=20
    ) as client:  # made before: reading certificates takes as long as the switch
        slow = [threading.Thread(target=lambda: answers.append(client.get(f"{address}/slow").text)) for _ in range(4)]
        new = release("2", probe=lambda url: [thread.start() for thread in slow] and time.sleep(0.3))
        target.deploy(new)
        for thread in slow:
            thread.join()
    assert answers == ["1"] * 4
    assert text(f"{address}/score") == "2"


@pytest.mark.parametrize("mode", ["does not start", "never ready", "wrong answers"])
def test_a_new_version_that_fails_leaves_the_old_one_serving(
    make_target: MakeTarget, release: MakeRelease, mode: str
) -> None:
    target = make_target(start_timeout_seconds=10 if mode == "does not start" else 3)
    address = target.deploy(release("1")).address
    before = text(f"{address}/pid")

    def probe(url: str) -> None:
        raise AssertionError("row 7 scored 0.2, the model says 0.9")

    expected = ProbeFailed if mode == "wrong answers" else StartFailed
    with load(f"{address}/score", per_second=50) as seen, pytest.raises(expected) as failure:
        target.deploy(release("2", mode, probe=probe))
    if mode == "does not start":
        assert "cannot load the model: file is missing" in str(failure.value)
    if mode == "wrong answers":
        assert "row 7" in str(failure.value)
    assert any("version 1 keeps serving" in note for note in failure.value.__notes__)
    assert seen["1"] == seen["sent"]
    assert text(f"{address}/pid") == before
    assert [process.version for process in target.status().use_cases["card_fraud"].processes] == ["1"]
    assert len([line for line in marked(target) if "uvicorn" in line]) <= 1


def test_a_first_version_that_fails_leaves_nothing(target: LocalTarget, release: MakeRelease) -> None:
    with pytest.raises(StartFailed):
        target.deploy(release("1", "does not start"))
    assert not target.status().use_cases
    assert target.deploy(release("2")).previous_version is None


def test_deploying_what_serves_already_changes_nothing(target: LocalTarget, release: MakeRelease) -> None:
    first = target.deploy(release("1"))
    pid = text(f"{first.address}/pid")
    again = target.deploy(release("1"))
    assert (again.changed, again.previous_version) == (False, "1")
    assert "nothing was changed" in again.message
    assert text(f"{first.address}/pid") == pid
    assert target.deploy(release("1", environment={"ODD": "x"})).changed


def test_use_cases_share_the_address_and_leave_each_other_alone(target: LocalTarget, release: MakeRelease) -> None:
    fraud = target.deploy(release("1")).address
    with load(f"{fraud}/score", per_second=50) as seen:
        churn = target.deploy(release("9", use_case="churn")).address
        assert text(f"{churn}/score") == "9"
        assert target.stop("churn")
    assert seen["1"] == seen["sent"]
    assert httpx.get(f"{churn}/score", trust_env=False).status_code == 404
    assert not target.stop("churn")
    assert list(target.status().use_cases) == ["card_fraud"]


def test_stop_all_leaves_no_process_port_or_socket(target: LocalTarget, release: MakeRelease) -> None:
    target.deploy(release("1", processes=2))
    status = target.status()
    ports = [process.port for process in status.use_cases["card_fraud"].processes]
    sockets = psutil.Process(status.envoy_pid).net_connections("tcp")
    envoy_ports = [row.laddr.port for row in sockets if row.status == psutil.CONN_LISTEN]
    assert envoy_ports == [target.envoy_port], "its own interface is no port"
    assert len(marked(target)) >= 4
    target.stop_all()
    assert marked(target) == []
    assert all(port_is_free(port) for port in [*ports, *envoy_ports])
    assert not target.status().running
    assert not list(target.root.rglob("*.sock"))
    target.stop_all()


def test_what_was_stopped_serves_again_when_the_target_is_brought_up(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    port = target.status().use_cases["card_fraud"].processes[0].port
    target.stop_all()
    with socket.create_server(("127.0.0.1", port)):  # someone took the service's port meanwhile
        assert target.ensure_running().use_cases["card_fraud"].serving
        assert text(f"{address}/score") == "1"
    assert not target.deploy(release("1")).changed


def test_stop_and_status_are_safe_when_nothing_ever_ran(target: LocalTarget) -> None:
    target.stop_all()
    assert not target.stop("card_fraud")
    assert not target.status().running


def test_ensure_running_twice_starts_nothing_twice(target: LocalTarget) -> None:
    first, second = target.ensure_running(), target.ensure_running()
    assert (first.supervisor_pid, first.envoy_pid) == (second.supervisor_pid, second.envoy_pid)
    assert second.running


def test_a_taken_port_is_named_with_its_setting_and_nothing_starts(make_target: MakeTarget) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        target = make_target(envoy_port=port, port_setting="PLATFORM_ASSETS_PORT")
        with pytest.raises(PortInUse) as failure:
            target.ensure_running()
        assert str(port) in str(failure.value)
        assert "PLATFORM_ASSETS_PORT" in str(failure.value)
        assert str(os.getpid()) in str(failure.value)
        assert marked(target) == []
    assert target.ensure_running().running


def test_another_target_on_the_same_port_is_refused_and_the_first_keeps_it(make_target: MakeTarget) -> None:
    first = make_target("first")
    first.ensure_running()
    second = make_target("second", envoy_port=first.envoy_port)
    with pytest.raises(PortInUse):
        second.ensure_running()
    assert first.status().running


def test_the_port_can_be_changed_while_running(make_target: MakeTarget, release: MakeRelease, tmp_path: Path) -> None:
    target = make_target()
    target.deploy(release("1"))
    moved = make_target()
    assert moved.envoy_port != target.envoy_port
    assert moved.ensure_running().use_cases["card_fraud"].serving
    assert text(f"{moved.address('card_fraud')}/score") == "1"
    assert port_is_free(target.envoy_port)
    assert moved.status().envoy_pid == target.status().envoy_pid


def test_the_proxy_s_own_interface_is_reached_by_its_owner_alone(target: LocalTarget) -> None:
    target.ensure_running()
    socket_file = next(target.root.rglob("envoy.sock"))
    assert socket_file.stat().st_mode & 0o077 == 0
    assert socket_file.parent.stat().st_mode & 0o077 == 0
    logs = list((target.root / "logs").iterdir())
    assert logs
    assert not [path for path in logs if path.stat().st_mode & 0o077]


DEPLOYS_AND_DIES = """
import os, sys
from pathlib import Path
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import Release
target = LocalTarget(Path(sys.argv[1]), int(sys.argv[2]))
command = [sys.executable, "-m", "uvicorn", "tiny_service:app", "--port", "{port}", "--log-level", "warning"]
die = (lambda url: os.kill(os.getpid(), 9)) if sys.argv[3] == "killed" else (lambda url: os.kill(os.getpid(), 2))
target.deploy(Release("card_fraud", "2", command, "/readyz", Path(sys.argv[1]) / "service", {"VERSION": "2"}, die))
"""


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_a_deployment_that_dies_half_way_is_undone(target: LocalTarget, release: MakeRelease, how: str) -> None:
    address = target.deploy(release("1")).address
    command = [sys.executable, "-c", DEPLOYS_AND_DIES, str(target.root), str(target.envoy_port), how]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode != 0
    versions = [process.version for process in target.status().use_cases["card_fraud"].processes]
    assert versions == (["1", "2"] if how == "killed" else ["1"])
    assert text(f"{address}/score") == "1"
    seen = target.ensure_running().use_cases["card_fraud"]
    assert ([process.version for process in seen.processes], seen.rollout) == (["1"], None)
    assert target.deploy(release("3")).previous_version == "1"


def test_two_deployments_take_turns(make_target: MakeTarget, release: MakeRelease) -> None:
    target = make_target()
    impatient = make_target(envoy_port=target.envoy_port, lock_timeout_seconds=0.2)
    patient = make_target(envoy_port=target.envoy_port)
    others: list[threading.Thread] = []

    def while_first_is_under_way(url: str) -> None:
        with pytest.raises(TargetBusy):
            impatient.deploy(release("2"))
        others.append(threading.Thread(target=patient.deploy, args=(release("3"),)))
        others[0].start()
        time.sleep(0.3)

    result = target.deploy(release("1", probe=while_first_is_under_way))
    others[0].join()
    assert text(f"{result.address}/score") == "3"
    assert [process.version for process in target.status().use_cases["card_fraud"].processes] == ["3"]


def test_environment_values_arrive_as_they_are(target: LocalTarget, release: MakeRelease) -> None:
    odd = "quotes \" ' percent %(x)s semicolon ; line\nbreak ${HOME} ü"
    address = target.deploy(release("1", environment={"ODD": odd})).address
    assert text(f"{address}/environment") == odd
    launch_file = next((target.root / "launch").iterdir())  # values may be secrets
    assert launch_file.stat().st_mode & 0o077 == 0


def test_a_damaged_state_file_stops_commands_but_not_stop_all(target: LocalTarget, release: MakeRelease) -> None:
    target.deploy(release("1"))
    (target.root / "state.json").write_text("{")
    with pytest.raises(StateUnreadable):
        target.deploy(release("2"))
    target.stop_all()
    assert marked(target) == []


def test_a_root_with_a_long_and_odd_path_works(make_target: MakeTarget, release: MakeRelease) -> None:
    target = make_target("a 'long' (and)" + "/deep path" * 20)
    assert text(f"{target.deploy(release('1')).address}/score") == "1"


def test_a_process_beside_the_services_is_kept_running_through_deployments_and_stops_with_them(
    target: LocalTarget, release: MakeRelease, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    work = f"import os, time; open({str(said)!r}, 'a').write(os.environ['WHAT'] + ' '); time.sleep(600)"
    target.keep_beside("beside-work", [sys.executable, "-c", work], {"WHAT": "works"}, tmp_path)

    wait_for(lambda: said.exists() and said.read_text() == "works ")
    target.deploy(release("1"))
    next(process for process in psutil.process_iter(["cmdline"]) if work in (process.info["cmdline"] or [])).kill()
    wait_for(lambda: said.read_text() == "works " * 2)
    target.stop_all()
    assert not [line for line in marked(target) if work in line]
    target.ensure_running()
    wait_for(lambda: said.read_text() == "works " * 3)
    assert target.end_beside("beside-work")
    assert not target.end_beside("beside-work")
    with pytest.raises(ValueError, match="is called beside-"):
        target.keep_beside("work", ["true"], {}, tmp_path)
