"""A release in a pod's terms: its command and variables name what the pod has, and nothing of this machine.

Belongs here: translating text, and refusing what no pod could read. Does not belong here: putting the release where pods fetch it from
(`shipping.py`), and the pod (`manifests/`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platform_assets.deployment.errors import InvalidRelease
from platform_assets.deployment.kubernetes.arms import POD_ADDRESS, PORT, RELEASE_FOLDER
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.packaging import start
from platform_assets.deployment.release import HOST_PLACEHOLDER, PORT_PLACEHOLDER, Release

START_SCRIPT = "/opt/platform-assets/start.py"
"""Where the runtime image has `packaging/start.py`."""
TEMPORARY = "/tmp"
INTERPRETER = "python"
FEAST = "PLATFORM_ASSETS_SERVING_FEAST"
_OF_EVERY_IMAGE = ("/dev", "/proc", "/sys", "/etc/ssl", "/usr/share")
_PATH = re.compile(r"(?<![\w./-])/+[^\s:,;'\"(){}\[\]<>|&?*=#@]+")


@dataclass(frozen=True)
class PodCommand:
    """What a pod runs.

    Attributes:
        command: program and arguments.
        environment: variables; may hold secrets.
        working_dir: where it starts.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    working_dir: str


def pod_command(release: Release, settings: ClusterSettings) -> PodCommand:
    """A release's command for a pod that has the release's folder at `/release`.

    Raises:
        InvalidRelease: it names something of this machine that pods do not have; says which, and the setting to change.
    """
    root = release.root or release.working_dir
    what = f"release {release.use_case!r} version {release.version!r}"
    return _Translation(what, settings, root).command(release.command, release.environment, release.working_dir)


def beside_command(
    name: str, command: Sequence[str], environment: Mapping[str, str], working_dir: Path, settings: ClusterSettings
) -> PodCommand:
    """The same for a process beside the services; it starts in its folder where pods share that, else in `/tmp`.

    Raises:
        InvalidRelease: it names something of this machine that pods do not have.
    """
    translation = _Translation(f"process {name!r}", settings, None)
    folder = working_dir if translation.shared(str(working_dir)) else Path(TEMPORARY)
    return translation.command(command, environment, folder)


class _Translation:
    def __init__(self, what: str, settings: ClusterSettings, root: Path | None) -> None:
        self._what, self._settings = what, settings
        self._root = None if root is None else str(root.absolute())
        known = {start.__file__: START_SCRIPT} | ({self._root: RELEASE_FOLDER} if self._root else {})
        names = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        self._known, self._known_names = known, re.compile(rf"(?<![\w.-])(?:{names})(?![\w.-])")

    def command(self, command: Sequence[str], environment: Mapping[str, str], working_dir: Path) -> PodCommand:
        arguments = [self._argument(argument) for argument in command]
        variables = {name: self._variable(name, value) for name, value in environment.items()}
        folder = self._text(str(working_dir), "its working folder") if str(working_dir) != TEMPORARY else TEMPORARY
        return PodCommand(tuple(arguments), variables, folder)

    def shared(self, path: str) -> bool:
        """Whether pods have it at the same path."""
        return any(_below(path, folder) for folder in self._settings.shared_paths)

    def _argument(self, argument: str) -> str:
        if argument == sys.executable:
            return INTERPRETER
        return self._text(argument, f"its argument {argument!r}")

    def _variable(self, name: str, value: str) -> str:
        if name == "BENTOML_HOME":  # only for what BentoML writes of its own: the Bento is named by its path
            return f"{TEMPORARY}/bentoml"
        if name == FEAST:
            value = _feast_of_pods(value)
        return self._text(value, f"its variable {name}")

    def _text(self, text: str, where: str) -> str:
        text = text.replace(PORT_PLACEHOLDER, str(PORT)).replace(HOST_PLACEHOLDER, POD_ADDRESS)
        text = self._known_names.sub(lambda match: self._known[match[0]], text)
        for match in _PATH.finditer(text):
            self._check("/" + match[0].lstrip("/").rstrip("."), where)
        return text

    def _check(self, path: str, where: str) -> None:
        """Refuse a path of this machine; what no folder here holds is no path but part of an address."""
        if path == TEMPORARY or self.shared(path):
            return
        if any(_below(path, folder) for folder in (RELEASE_FOLDER, START_SCRIPT, *_OF_EVERY_IMAGE)):
            return
        if self._settings.credentials_secret is not None and _below(path, self._settings.credentials_folder):
            return
        if _below(path, self._settings.log_folder):
            if self._settings.log_claim is None:
                raise InvalidRelease(
                    f"{self._what}: {where} names the prediction log's folder {path}, which would end with each pod: set log_claim in "
                    "PLATFORM_ASSETS_KUBERNETES to a ReadWriteMany PersistentVolumeClaim"
                )
            return
        here = Path(path)
        if here.exists() or (here.parent != Path("/") and here.parent.is_dir()):
            raise InvalidRelease(
                f"{self._what}: {where} names {path}, which is on this machine only. {_way_out(path, where)}"
            )


def _feast_of_pods(text: str) -> str:
    """Feast's settings without this machine's folder, unless a file is meant that lies there."""
    try:
        values = json.loads(text)
        online = values["online_store"]
        if online.get("type") == "sqlite":
            online["path"] = str(Path(values["home"]) / str(online.get("path", "online.db")))
        values["home"] = TEMPORARY
    except (ValueError, KeyError, TypeError, AttributeError):
        return text  # the service says what is wrong with it
    return json.dumps(values, sort_keys=True)


def _way_out(path: str, where: str) -> str:
    shared = "or have pods mount its folder: shared_paths in PLATFORM_ASSETS_KUBERNETES"
    if FEAST in where:
        return (
            "Let the feature store be one that pods reach, PLATFORM_ASSETS_FEAST_ONLINE_STORE on Redis and PLATFORM_ASSETS_FEAST_REGISTRY "
            f"on PostgreSQL, {shared}"
        )
    if "LOG_FOLDER" in where:
        return f"Let log_folder in PLATFORM_ASSETS_KUBERNETES be a folder above it that log_claim holds, {shared}"
    return f"Put it into the release's folder, {shared}"


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
