"""All use cases of a package with an installation's resources, as one Definitions object.

Belongs here: assembly only. Does not belong here: anything that could stand in the component or a resource.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import dagster as dg

import platform_assets
from platform_assets.declaration import DeclarationError, loader
from platform_assets.declaration.loader import every_declaration, load_use_case
from platform_assets.installation import Installation
from platform_assets.orchestration.assets.recovery import recovery_definitions
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.kubernetes.watch import start_watch
from platform_assets.orchestration.open_lineage_sensor import lineage_sensor
from platform_assets.orchestration.resources.build import build_executor, build_resources
from platform_assets.orchestration.run_traces import trace_sensor
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.pipelines.check_declaration import check_declaration


def installed_definitions(
    installation: Installation, named: Callable[[str], None], *, strict: bool = False
) -> dg.Definitions:
    """The use cases below `platform_assets/defs/` with the installation's resources and executor.

    Args:
        installation: whose resources they use.
        named: takes a line for each use case that is left out.
        strict: fail where one of them cannot be loaded, as `dg check defs` has to; else it is left out.

    Raises:
        MistakesInDeclarations: one of them cannot be loaded, where `strict`.
        Exception: what Dagster or a use case's own code says, where `strict`, or where no use case loads.
    """
    if strict:
        _refuse_mistakes()
    folder = Path(platform_assets.__file__).parent
    try:
        use_cases = dg.load_from_defs_folder(path_within_project=folder)
    except Exception:
        loaded = [] if strict else _those_that_load(named)
        if not loaded:
            raise
        use_cases = dg.Definitions.merge(*loaded)
    settings = installation.settings
    on = sensor_status(running=settings.automation == "on")
    shared = dg.Definitions(
        resources=build_resources(installation),
        executor=build_executor(settings),
        sensors=[
            *([start_watch(on)] if settings.executor == "kubernetes" else []),
            *([trace_sensor(settings.otlp, on)] if settings.otlp is not None else []),
            *([lineage_sensor(installation, settings.openlineage, on)] if settings.openlineage is not None else []),
        ],
    )
    if settings.backup is not None:
        backups = recovery_definitions(installation, settings.backup, running=settings.automation == "on")
        return dg.Definitions.merge(use_cases, shared, backups)
    return dg.Definitions.merge(use_cases, shared)


class MistakesInDeclarations(ValueError):
    """What is wrong in people's files, without the way that our code took to it: `dg check defs` prints every frame that it is given.

    It is none of Dagster's errors: those are handed on with frames that no error can leave out.
    """

    @property
    def __traceback__(self) -> None:
        """None."""

    @__traceback__.setter
    def __traceback__(self, trace: object) -> None:
        """Taken and not kept: `contextlib` puts it back."""


def _refuse_mistakes() -> None:
    """Read each declaration, and name everything that is wrong in any of them.

    Raises:
        MistakesInDeclarations: something is.
    """
    messages = []
    for path in sorted(loader.DEFINITIONS_FOLDER.glob("*/defs.yaml")):
        try:
            check_declaration(path)
        except DeclarationError as error:
            messages.append(str(error))
    if messages:
        raise MistakesInDeclarations("\n".join(["", *messages])) from None


def definitions_of_folder(installation: Installation, folder: Path) -> dg.Definitions:
    """The use case of one folder, which need not lie below `platform_assets/defs/`, with the installation's resources and executor.

    Raises:
        DeclarationError: it cannot be loaded.
    """
    shared = dg.Definitions(resources=build_resources(installation), executor=build_executor(installation.settings))
    with warnings.catch_warnings():  # `load_from_defs_folder` is as silent about what is beta
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.Definitions.merge(use_case_definitions(load_use_case(folder), folder), shared)


def _those_that_load(named: Callable[[str], None]) -> list[dg.Definitions]:
    """Definitions of each use case that loads; a draft, whatever is wrong with it, takes no other down."""
    loaded, drafts = every_declaration()
    for draft in drafts:
        named(draft.sentence)
    definitions = []
    for declared in loaded:
        try:
            definitions.append(use_case_definitions(declared.use_case, declared.folder))
        except Exception as error:  # noqa: BLE001 - a team's own module may fail in any way
            named(
                f"{declared.folder.name} cannot be loaded and is left out: {str(error).strip().partition(chr(10))[0]}"
            )
    return definitions
