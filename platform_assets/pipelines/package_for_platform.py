"""Packaging for another serving platform: the champion as files and manifests in a folder.

Belongs here: which model is packaged, and the folder. Does not belong here: the platforms
(`deployment/platforms`), our own Bento (`package.py`).
"""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from platform_assets.declaration import UseCase
from platform_assets.declaration.options.base import OptionRefused
from platform_assets.declaration.serving_platforms import DECLARED_PLATFORMS, PLATFORM, SHORTEST_LICENCE
from platform_assets.deployment.packaging import find_bento
from platform_assets.deployment.platforms.base import (
    ModelToPackage,
    PackageSettings,
    PlatformPackage,
    PlatformRefused,
)
from platform_assets.deployment.platforms.registry import PLATFORMS
from platform_assets.pipelines.model_to_package import model_to_package
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import registered_run
from serving.settings import ServingSettings

FILES, MANIFESTS, NOTES = "files", "manifests", "NOTES.md"


@dataclass(frozen=True)
class WrittenPackage:
    """A package in its folder.

    Attributes:
        version: of the registered model.
        folder: with `files/`, `manifests/` and `NOTES.md`.
        package: what the platform made.
    """

    version: str
    folder: Path
    package: PlatformPackage


def package_for_platform(
    use_case: UseCase,
    models: ModelStore,
    bento_root: Path,
    serving: ServingSettings,
    platform: str,
    settings: PackageSettings,
    folder: Path,
    licence: str | None = None,
) -> WrittenPackage:
    """Package the champion for a platform into a folder, which appears complete or not at all.

    Args:
        use_case: whose champion.
        models: where it is registered.
        bento_root: where Bentos are built.
        serving: settings of our own service's process.
        platform: name of the platform.
        settings: of the place that the package is for.
        folder: must not exist.
        licence: by which a platform is used that needs one; what `serving.licence` says when None.

    Raises:
        OptionRefused: the platform may not be used, or not without a licence.
        UnknownMember: there is no such platform.
        PlatformRefused: there is no champion, the folder exists, or the platform refuses.
        ArtifactError: the model is damaged.
    """
    held = require_licence(platform, licence or use_case.serving.licence)
    chosen = PLATFORMS[platform]
    if folder.exists():
        raise PlatformRefused(
            f"{folder} exists: name a folder that does not, so that no file of an older package remains"
        )
    registry = models.registry()
    champion = registry.by_alias(use_case.name, CHAMPION)
    if champion is None:
        raise PlatformRefused(f"{use_case.name}: there is no champion; `platform-assets run {use_case.name}` makes one")
    model = model_to_package(use_case, champion, registered_run(registry, champion))
    digest = champion.tags.get(DIGEST_TAG)
    bento = None if digest is None else find_bento(use_case, digest, bento_root)
    model = ModelToPackage(use_case, model.version, model.model_folder, model.rows, bento, serving)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        building = Path(scratch) / "package"
        (building / FILES).mkdir(parents=True)
        package = chosen.package(model, building / FILES, settings)
        if held is not None:
            package = replace(
                package, notes=(f"Used by this licence, which nobody here checked: {held}.", *package.notes)
            )
        _write(building, model, platform, package)
        shutil.move(building, folder)
    return WrittenPackage(model.version, folder, package)


def require_licence(platform: str, licence: str | None) -> str | None:
    """Whether a platform may be used, asked as the declaration is asked: a platform that is typed is no way around it.

    Returns:
        The licence, where the platform needs one; None where it needs none.

    Raises:
        OptionRefused: the platform is refused, or needs a licence and none is named.
        UnknownMember: there is no such platform.
    """
    declared = DECLARED_PLATFORMS[platform]
    PLATFORM.allowed(platform)
    if declared.licence is None:
        return None
    if licence is None or len(licence.strip()) < SHORTEST_LICENCE:
        way_out = f"{declared.licence.way_out}; with `platform-assets package`, as `--licence`"
        raise OptionRefused("--platform", platform, replace(declared.licence, way_out=way_out))
    return licence.strip()


def _write(folder: Path, model: ModelToPackage, platform: str, package: PlatformPackage) -> None:
    """Manifests in their order, and what whoever applies them has to know."""
    if package.manifests:
        (folder / MANIFESTS).mkdir()
    for number, manifest in enumerate(package.manifests, start=1):
        path = folder / MANIFESTS / f"{number:02d}-{manifest['kind'].lower()}.yaml"
        path.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
        path.chmod(0o600 if manifest["kind"] == "Secret" else 0o644)
    scored = "" if package.scored is None else _comparison(len(model.rows), *package.scored)
    lines = [
        f"# {model.use_case.name} version {model.version} for {platform}",
        "",
        *(f"- {note}" for note in package.notes),
    ]
    (folder / NOTES).write_text("\n".join([*lines, *([f"- {scored}"] if scored else []), ""]), encoding="utf-8")


def _comparison(rows: int, difference: float, runtime: str) -> str:
    return f"{runtime} scored {rows} training rows; the largest difference from the model is {difference:.1g}."
