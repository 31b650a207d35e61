"""The local target when something of it is killed: who answers meanwhile, and what comes back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.release import Release
from platform_assets_tests.deploy.conftest import load, marked, processes, text, wait_for

pytestmark = pytest.mark.slow

MakeTarget = Callable[..., LocalTarget]
MakeRelease = Callable[..., Release]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def kill_supervisor(target: LocalTarget) -> None:
    killed = target.status().supervisor_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: gone(killed))


def test_a_killed_process_comes_back_and_nobody_notices(make_target: MakeTarget, release: MakeRelease) -> None:
    """Requests wait for the only process for as long as their timeout: on a machine with much to do a start can take longer than 15 s."""
    target = make_target(request_timeout_seconds=60)
    address = target.deploy(release("1")).address
    before = text(f"{address}/pid")
    with load(f"{address}/score", per_second=50, timeout_seconds=70) as seen:
        time.sleep(0.3)
        os.kill(int(before), signal.SIGKILL)
        wait_for(lambda: seen["1"] > 100, seconds=90)
    assert dict(seen) == {"1": seen["sent"], "sent": seen["sent"]}
    assert text(f"{address}/pid") != before


def test_with_several_processes_the_others_answer_for_a_killed_one(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1", processes=2)).address
    pids = {process.pid for process in target.status().use_cases["card_fraud"].processes}
    assert len(pids) == 2
    victim = int(text(f"{address}/pid"))
    assert victim in pids
    with load(f"{address}/score", per_second=100) as seen:
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: seen["1"] > 100)
    assert seen["1"] == seen["sent"]


def test_requests_to_a_process_that_hangs_are_answered_by_another(
    make_target: MakeTarget, release: MakeRelease
) -> None:
    """It takes connections and says nothing: no connection is lost that the proxy would try again for."""
    target = make_target(request_timeout_seconds=6)
    address = target.deploy(release("1", processes=2)).address
    victim = processes(target)[0].pid
    assert victim is not None
    with load(f"{address}/score", per_second=100) as seen:
        os.kill(victim, signal.SIGSTOP)
        try:
            wait_for(lambda: not processes(target)[0].ready and seen["1"] > 100)
            wait_for(lambda already=seen["1"]: seen["1"] > already + 100)  # type: ignore[misc]
        finally:
            os.kill(victim, signal.SIGCONT)
    assert dict(seen) == {"1": seen["sent"], "sent": seen["sent"]}
    wait_for(lambda: all(process.ready for process in processes(target)))


def test_what_a_killed_process_manager_left_goes_on_answering_and_is_watched_over(
    target: LocalTarget, release: MakeRelease
) -> None:
    address = target.deploy(release("1", processes=2)).address
    before = {process.port: int(text(f"http://127.0.0.1:{process.port}/pid")) for process in processes(target)}
    with load(f"{address}/score", per_second=100) as seen:
        for _ in range(2):  # the second time it is watched over already
            kill_supervisor(target)
            assert not target.status().running
            assert target.ensure_running().use_cases["card_fraud"].serving
            assert {port: int(text(f"http://127.0.0.1:{port}/pid")) for port in before} == before
    assert dict(seen) == {"1": seen["sent"], "sent": seen["sent"]}
    victim = next(iter(before.values()))
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len({text(f"{address}/pid") for _ in range(10)} - {str(victim)}) == 2)
    assert target.deploy(release("2")).previous_version == "1"
    assert all(gone(pid) for pid in before.values())
    assert text(f"{address}/score") == "2"


def test_a_program_whose_launch_changed_while_nobody_watched_is_started_again(
    target: LocalTarget, release: MakeRelease
) -> None:
    target.deploy(release("1"))
    (before,) = processes(target)
    kill_supervisor(target)
    launch_file = target.root / "launch" / f"{before.program}.json"
    launch_file.write_text(launch_file.read_text().replace("--log-level", '--no-access-log", "--log-level'))
    target.ensure_running()
    wait_for(lambda: gone(before.pid or 0))
    wait_for(lambda: target.status().use_cases["card_fraud"].serving)
    assert len([line for line in marked(target) if "uvicorn" in line]) == 1


def test_a_proxy_whose_listener_is_gone_is_mended(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    pid = target.status().envoy_pid
    time.sleep(5.5)
    transport = httpx.HTTPTransport(uds=str(next(target.root.rglob("envoy.sock"))))
    httpx.Client(transport=transport, trust_env=False).post("http://envoy/drain_listeners").raise_for_status()
    wait_for(lambda: not target.status().running)
    assert target.ensure_running().running
    assert target.status().envoy_pid != pid
    assert text(f"{address}/score") == "1"


def test_stop_all_ends_orphans_of_a_killed_supervisor(target: LocalTarget, release: MakeRelease) -> None:
    target.deploy(release("1"))
    os.kill(target.status().supervisor_pid or 0, signal.SIGKILL)
    target.stop_all()
    assert marked(target) == []


def test_a_killed_proxy_comes_back_with_its_routes(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    os.kill(target.status().envoy_pid or 0, signal.SIGKILL)
    wait_for(lambda: target.status().running)
    assert text(f"{address}/score") == "1"


def test_what_a_killed_service_had_forked_does_not_outlive_it(target: LocalTarget, release: MakeRelease) -> None:
    forks = [sys.executable, "-m", "uvicorn", "tiny_service:app", "--port", "{port}", "--workers", "2"]
    address = target.deploy(release("1", command=forks)).address
    parent = target.status().use_cases["card_fraud"].processes[0].pid
    assert parent is not None
    children = psutil.Process(parent).children(recursive=True)
    assert len(children) >= 2
    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: all(not child.is_running() or child.status() == psutil.STATUS_ZOMBIE for child in children))
    wait_for(lambda: target.status().use_cases["card_fraud"].serving)
    assert text(f"{address}/score") == "1"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_guardian_brings_a_killed_process_manager_back(
    make_target: MakeTarget, release: MakeRelease, how: signal.Signals
) -> None:
    target = make_target(guarded=True)
    address = target.deploy(release("1")).address
    for _ in range(2):
        before = target.status().supervisor_pid
        assert before is not None
        os.kill(before, how)
        wait_for(lambda gone=before: target.status().running and target.status().supervisor_pid != gone, seconds=60)
        wait_for(lambda: target.status().use_cases["card_fraud"].serving, seconds=60)
        assert text(f"{address}/score") == "1"
        wait_for(lambda: "guardian" in target._supervisor.infos() and len(guardians(target)) == 1, seconds=30)
        time.sleep(1)  # until it looks after the new one


def guardians(target: LocalTarget) -> list[str]:
    return [line for line in marked(target) if "guardian.py" in line and "launch.py" not in line]


def test_what_was_stopped_on_purpose_is_not_brought_back(make_target: MakeTarget, release: MakeRelease) -> None:
    target = make_target(guarded=True)
    target.deploy(release("1"))
    target.stop_all()
    assert not target.bring_back()
    assert marked(target) == []
    target.ensure_running()
    os.kill(target.status().supervisor_pid or 0, signal.SIGKILL)
    target.stop_all()
    time.sleep(2)
    assert marked(target) == []
    assert not target.status().running


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder on a file system that was remounted read-only, as far as this user can make one."""
    if os.getuid() == 0:
        commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
        if any(subprocess.run(command, check=False, capture_output=True).returncode for command in commands):
            pytest.skip("this machine lets nobody mount")
    else:
        folder.chmod(0o500)
    try:
        yield
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", "-l", folder], check=True)
        else:
            folder.chmod(0o700)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_read_only_home_can_be_stopped(make_target: MakeTarget, release: MakeRelease, guarded: bool) -> None:
    target = make_target(guarded=guarded)
    target.deploy(release("1"))
    with read_only(target.root):
        target.stop_all()
        time.sleep(1.5)
        assert marked(target) == []
        assert not target.status().running
    assert target.ensure_running().running
