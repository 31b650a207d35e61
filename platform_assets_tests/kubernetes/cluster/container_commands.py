"""What runs in a container: its command, its hooks and the questions of its probes.

Belongs here: from a container's spec to a process or an answer. Does not belong here: when (`containers.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets_tests.kubernetes.cluster.images import Image
from platform_assets_tests.kubernetes.cluster.objects import Object
from platform_assets_tests.kubernetes.cluster.pod_environment import ConfigError, environment_of, expand
from platform_assets_tests.kubernetes.cluster.pod_paths import PodPaths
from platform_assets_tests.kubernetes.cluster.pod_process import LogFile, PodProcess, die_with_parent, end_session
from platform_assets_tests.kubernetes.cluster.probes import Answer, ask_http, ask_tcp
from platform_assets_tests.kubernetes.cluster.volumes import ACCOUNT_FOLDER, ACCOUNT_PATH

if TYPE_CHECKING:
    from platform_assets_tests.kubernetes.cluster.pod_worker import PodWorker

PYTHONS = ("python", "python3")
WORDS_BYTES = 10_240


def paths_of(pod: PodWorker, spec: Object, image: Image) -> PodPaths:
    """Where a container's paths are here: its image's, its mounts' and its termination log's."""
    paths = dict(image.files)
    for mount in spec.get("volumeMounts") or []:
        if mount["name"] not in pod.volumes.paths:
            raise ConfigError(f"volume {mount['name']} is not one of the pod's")
        below = mount.get("subPath") or ""
        folder = pod.volumes.paths[mount["name"]] / below
        if below and not folder.exists():
            folder.mkdir(parents=True)
        paths[mount["mountPath"]] = str(folder)
    if (account := pod.folder / ACCOUNT_FOLDER).exists():
        paths.setdefault(ACCOUNT_PATH, str(account))
    paths[spec.get("terminationMessagePath", "/dev/termination-log")] = str(pod.termination_log(spec["name"]))
    return PodPaths(paths)


def environment(pod: PodWorker, spec: Object, image: Image, paths: PodPaths) -> dict[str, str]:
    """A container's whole environment.

    Raises:
        ConfigError: something that it refers to is not there.
    """
    home, temporary = pod.folder / "home", pod.folder / "tmp"
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    given = environment_of(pod.store, pod.object, spec)
    basis = {
        "PATH": f"{Path(image.python).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": paths.here("/tmp") if "/tmp" in paths else str(temporary),
        "HOSTNAME": pod.name,
    }
    basis |= pod.service_variables()
    return basis | {name: paths.here(text) for name, text in (dict(image.environment) | given).items()}


def command_of(spec: Object, image: Image, values: dict[str, str], paths: PodPaths) -> list[str]:
    """The command line, as it runs here.

    Raises:
        ConfigError: neither the spec nor the image names a command.
    """
    command = list(spec.get("command") or image.command) + list(spec.get("args") or [])
    if not command:
        raise ConfigError("no command specified")
    return _here(command, image, values, paths)


def _here(command: Sequence[str], image: Image, values: dict[str, str], paths: PodPaths) -> list[str]:
    first, *rest = [paths.here(expand(part, values)) for part in command]
    return [image.python if first in PYTHONS else first, *rest]


async def launch(pod: PodWorker, spec: Object, log: Path) -> PodProcess:
    """Start a container's process.

    Raises:
        ConfigError: it cannot be configured.
        OSError: there is no such command.
    """
    image = pod.images.find(spec["image"]) or Image()
    paths = paths_of(pod, spec, image)
    values = environment(pod, spec, image, paths)
    command = command_of(spec, image, values, paths)
    folder = _working_folder(pod, spec, image, paths)
    return await PodProcess.start(command, values, folder, LogFile(log))


def _working_folder(pod: PodWorker, spec: Object, image: Image, paths: PodPaths) -> Path:
    named = spec.get("workingDir") or image.working_folder
    return Path(paths.here(named)) if named else pod.folder / "home"


async def run_inside(pod: PodWorker, spec: Object, command: Sequence[str]) -> tuple[int, str]:
    """Run a command with a container's environment; its exit code and its output."""
    image = pod.images.find(spec["image"]) or Image()
    paths = paths_of(pod, spec, image)
    values = environment(pod, spec, image, paths)
    folder = _working_folder(pod, spec, image, paths)
    process = await asyncio.create_subprocess_exec(
        *_here(command, image, values, paths),
        env=values,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        end_session(process.pid)
        raise
    return process.returncode or 0, output.decode(errors="replace")[:WORDS_BYTES]


async def ask(pod: PodWorker, spec: Object, probe: Object) -> Answer:
    """One try of a probe."""
    try:
        if http := probe.get("httpGet"):
            return await ask_http(pod.session, http, pod.address, spec)
        if tcp := probe.get("tcpSocket"):
            return await ask_tcp(tcp, pod.address, spec)
        if grpc := probe.get("grpc"):  # a connection is all that the test cluster asks of it
            return await ask_tcp(grpc, pod.address, spec)
        code, output = await run_inside(pod, spec, probe["exec"]["command"])
    except (ConfigError, OSError, ValueError) as error:
        return Answer(False, str(error))
    return Answer(code == 0, "" if code == 0 else output)


async def run_hook(pod: PodWorker, spec: Object, hook: Object) -> str:
    """Run a hook to its end; what is wrong, or ""."""
    if sleep := hook.get("sleep"):
        await asyncio.sleep(float(sleep["seconds"]))
        return ""
    answer = await ask(pod, spec, hook)
    return "" if answer.passed else answer.words or "failed"
