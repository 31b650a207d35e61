"""Building a Bento from a registered model.

Belongs here: the build context, its digest, `bentoml build`, and finding an earlier build again. Does not belong here:
what goes into the context (`sources.py`), or starting a Bento.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from platform_assets.declaration import UseCase
from platform_assets.deployment.packaging.compiled_code import hand_on_compiled
from platform_assets.deployment.packaging.sources import (
    ENTRY_POINTS,
    STREAM_DOOR,
    distributions_of,
    lock_file,
    read_lock,
    requirements,
    service_modules,
    third_party,
)
from platform_assets.training import artifact
from serving.release import ReleaseInfo, content_digest, write_release

ROOT = Path(__file__).resolve().parents[3]
BENTO_FILE = "bento.yaml"
CODE_FOLDER = "src"
REQUIREMENTS_FILE = "requirements.txt"
BUILD_TIMEOUT_SECONDS = 300.0
TOP_PACKAGE_TEXT = '"""Platform Assets: the part that a service needs."""\n'
"""Stands in for the top package's own module, which loads the components that only the asset graph needs."""


class BentoError(RuntimeError):
    """A Bento that could not be built or found; the message carries what the build said."""


@dataclass(frozen=True)
class BuiltBento:
    """A Bento on disk.

    Attributes:
        tag: `name:version` for BentoML; the version is the first 16 digits of the digest.
        path: its folder.
        digest: "sha256:..." of the packed code, requirements, declaration and model: the release's address.
        size_bytes: of all its files.
        reused: True when an earlier build of the same content was found.
    """

    tag: str
    path: Path
    digest: str
    size_bytes: int
    reused: bool = False

    @property
    def code_folder(self) -> Path:
        """The packed code with the release: what the digest is about."""
        return self.path / CODE_FOLDER

    def lacks(self, drivers: Sequence[str]) -> list[str]:
        """Which of these database drivers its requirements do not carry: it was built under other settings."""
        needed = {name: distributions for name in drivers if (distributions := distributions_of(name))}
        carried = set(read_lock(self.code_folder / REQUIREMENTS_FILE)) if needed else set()
        return [name for name, distributions in needed.items() if not distributions <= carried]


def build_bento(
    use_case: UseCase,
    model_folder: Path,
    release_info: ReleaseInfo,
    out_root: Path,
    source_root: Path = ROOT,
    drivers: Sequence[str] = (),
) -> BuiltBento:
    """Build a Bento, or find the one that an earlier build made from the same content.

    Args:
        use_case: the declaration; packed as it is.
        model_folder: the model (see `platform_assets/training/artifact.py`).
        release_info: where the model comes from and what it must answer.
        out_root: BentoML's home for these builds; made when missing.
        source_root: folder with the packages and `requirements.lock`.
        drivers: modules of database drivers that the installation's settings need, such as `psycopg`.

    Raises:
        BentoError: the build failed.
        PackingError: the service's code imports what a service must not carry, or a library is not pinned.
        PackedReleaseError: release, declaration and model do not belong together.
        ArtifactError: the model folder is damaged.
    """
    out_root = out_root.absolute()
    out_root.mkdir(parents=True, exist_ok=True)
    # Not below out_root: BentoML refuses a build context with a hidden folder (such as .platform) in its path.
    with tempfile.TemporaryDirectory(prefix="bento-context-") as scratch, _locked(out_root):
        context = Path(scratch)
        write_context(context, use_case, model_folder, release_info, source_root, drivers)
        digest = content_digest(context)
        path = _bento_path(out_root, use_case, digest)
        earlier = _checked(path, digest)
        if earlier is not None:
            return earlier
        shutil.rmtree(path, ignore_errors=True)
        _run_build(context, use_case, _version(digest), out_root)
        built = _checked(path, digest, reused=False)
        if built is None:
            raise BentoError(
                f"{path}: the Bento differs from what was to be packed ({digest}); remove the folder and build again"
            )
        hand_on_compiled(source_root, built.code_folder)
        return built


def find_bento(use_case: UseCase, digest: str, out_root: Path) -> BuiltBento | None:
    """The Bento of that digest, verified; None when it is not there or was changed since."""
    return _checked(_bento_path(out_root.absolute(), use_case, digest), digest)


def write_context(
    context: Path,
    use_case: UseCase,
    model_folder: Path,
    release_info: ReleaseInfo,
    source_root: Path,
    drivers: Sequence[str] = (),
) -> None:
    """Write everything that is packed: code, requirements, release, and BentoML's build file."""
    functions = [item.function.partition(":")[0] for view in use_case.features for item in view.functions]
    doors = (STREAM_DOOR,) if use_case.scores_stream else ()
    modules = service_modules(source_root, (*ENTRY_POINTS, *doors, *functions))
    for name, path in modules.items():
        target = context / path.relative_to(source_root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == "platform_assets":
            target.write_text(TOP_PACKAGE_TEXT, encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    libraries = list(artifact.required_libraries(model_folder))
    pinned = requirements(third_party(modules), libraries, lock_file(source_root), drivers)
    (context / REQUIREMENTS_FILE).write_text("\n".join(pinned) + "\n", encoding="utf-8")
    write_release(context / "release", use_case, model_folder, release_info)
    build_file = {
        "service": "serving.bento:service",
        "name": use_case.name,
        "include": ["serving/", "platform_assets/", "release/", "requirements.txt"],
        "labels": {"use_case": use_case.name, "model_version": release_info.model_version},
        "python": {"requirements_txt": "./requirements.txt", "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    }
    (context / "bentofile.yaml").write_text(yaml.safe_dump(build_file, sort_keys=True), encoding="utf-8")


def _run_build(context: Path, use_case: UseCase, version: str, out_root: Path) -> None:
    """`bentoml build` in a process of its own: BentoML's home and the imported code are global to a process."""
    command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag", str(context)]
    environment = {
        **os.environ,
        "BENTOML_HOME": str(out_root),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "",
    }
    try:
        done = subprocess.run(
            command,
            cwd=context,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BentoError(
            f"building {use_case.name}:{version} took longer than {BUILD_TIMEOUT_SECONDS:.0f} s"
        ) from error
    if done.returncode != 0:
        raise BentoError(f"building {use_case.name}:{version} failed:\n{(done.stdout + done.stderr).strip()[-4000:]}")


def _checked(path: Path, digest: str, reused: bool = True) -> BuiltBento | None:
    """The Bento at `path` if it is complete and its content still has the digest."""
    code = path / CODE_FOLDER
    if not (path / BENTO_FILE).is_file() or content_digest(code) != digest:
        return None
    size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return BuiltBento(f"{path.parent.name}:{path.name}", path, digest, size_bytes, reused)


def _version(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]


def _bento_path(out_root: Path, use_case: UseCase, digest: str) -> Path:
    return out_root / "bentos" / use_case.name / _version(digest)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One build at a time in a folder, across processes."""
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
