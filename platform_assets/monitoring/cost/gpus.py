"""GPUs that this process and its children hold, as NVIDIA's management library says.

Belongs here: asking NVML. Does not belong here: adding it up (`meter.py`), or what a step declares (`declaration/sections/compute.py`).

Nothing is guessed: without `pynvml` (the package `nvidia-ml-py`) or without a driver there is no GPU here, and no GPU-seconds. In a
container NVML may name processes by numbers of the host; what a step declares counts then, see `orchestration/measured_steps.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any, Protocol


class GpuLook(Protocol):
    """Something that knows the GPUs of this machine."""

    @property
    def count(self) -> int:
        """GPUs that are seen; 0 without any."""
        ...

    def held(self, pids: Collection[int]) -> int:
        """GPUs on which one of these processes works now."""
        ...


class NoGpus:
    """A machine without a GPU that anybody sees."""

    count = 0

    def held(self, pids: Collection[int]) -> int:
        """None."""
        return 0


class NvmlGpus:
    """GPUs as NVML sees them."""

    def __init__(self, nvml: Any) -> None:
        """Take the library, which was begun."""
        self._nvml = nvml
        self._devices = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        self.count = len(self._devices)

    def held(self, pids: Collection[int]) -> int:
        """As `GpuLook.held`."""
        return sum(any(pid in pids for pid in self._working_on(device)) for device in self._devices)

    def _working_on(self, device: Any) -> list[int]:
        try:
            return [one.pid for one in self._nvml.nvmlDeviceGetComputeRunningProcesses(device)]
        except self._nvml.NVMLError:
            return []  # a device that says nothing of its processes holds none that is known


def gpus_here() -> GpuLook:
    """The GPUs of this machine, as far as anybody sees them."""
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except ImportError:
        return NoGpus()
    except nvml.NVMLError:
        return NoGpus()
    return NvmlGpus(nvml)
