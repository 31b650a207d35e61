"""A meter's laps add up to the process."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from types import SimpleNamespace

import psutil
import pytest

from platform_assets.monitoring.cost import meter
from platform_assets.monitoring.cost.gpus import gpus_here
from platform_assets.monitoring.cost.meter import Meter, _descendants


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_laps_are_the_work_between_them() -> None:
    with Meter() as measuring:
        burn(0.05)
        first = measuring.lap()
        second = measuring.lap()
        burn(0.1)
        third = measuring.lap()
    assert first.cpu_seconds >= 0.05
    assert second.cpu_seconds < 0.05
    assert third.cpu_seconds >= 0.1
    assert third.gigabyte_seconds > 0


def test_children_and_theirs_are_those_that_psutil_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another thread started them, and where the kernel lists none."""
    process = psutil.Process()
    before = {one.pid for one in process.children(recursive=True)}  # what earlier tests of this process left to end

    def found() -> set[int]:
        return {one.pid for one in _descendants(process)} - before

    nested = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(30)'])"
    started: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: started.append(subprocess.Popen([sys.executable, "-S", "-c", nested])))
    thread.start()
    thread.join()
    try:
        deadline = time.monotonic() + 20
        while len(found()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found() == {one.pid for one in process.children(recursive=True)} - before
        assert len(found()) == 2

        def without_lists(number: int) -> list[int]:
            raise FileNotFoundError(number)

        monkeypatch.setattr(meter, "_children_of", without_lists)
        assert len(found()) == 2
    finally:
        for child in psutil.Process(started[0].pid).children():
            child.kill()
        started[0].kill()
        started[0].wait()


class SimulatedGpus:
    """Two GPUs, of which this process works on one once it says so."""

    count = 2

    def __init__(self) -> None:
        self.works = False

    def held(self, pids: Collection[int]) -> int:
        assert os.getpid() in pids
        return int(self.works)


def test_a_gpu_counts_while_it_is_held() -> None:
    gpus = SimulatedGpus()
    with Meter(gpus) as measuring:
        assert measuring.lap().gpu_seconds == 0.0
        gpus.works = True
        time.sleep(0.02)
        held = measuring.lap()
    assert held.gpu_seconds == pytest.approx(held.seconds, abs=0.005)


def test_what_nvml_says_and_what_is_there_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed(Exception):
        pass

    on = {0: [os.getpid(), 1], 1: [2]}
    simulated_nvml = SimpleNamespace(
        NVMLError=Failed,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetComputeRunningProcesses=lambda index: [SimpleNamespace(pid=pid) for pid in on[index]],
    )
    monkeypatch.setitem(sys.modules, "pynvml", simulated_nvml)
    gpus = gpus_here()
    assert (gpus.count, gpus.held({os.getpid()}), gpus.held({1, 2}), gpus.held({3})) == (2, 1, 2, 0)

    def without_driver() -> None:
        raise Failed

    monkeypatch.setattr(simulated_nvml, "nvmlInit", without_driver)
    assert gpus_here().count == 0
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpus_here().count == 0, "nothing is guessed without the library"


def test_a_child_that_ended_counts() -> None:
    with Meter() as measuring:
        subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
        lap = measuring.lap()
    assert lap.cpu_seconds > 0.02
