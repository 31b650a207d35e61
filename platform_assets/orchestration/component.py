"""The component `platform_assets.MlUseCase`: a declared use case becomes Dagster definitions.

Belongs here: reading the file into a `UseCase`, assembling its assets, jobs and sensors, and what
`dg scaffold defs` writes. Does not belong here: any single asset (`orchestration/assets/`) or trigger (`orchestration/`).
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from platform_assets.declaration import DeclarationError, UseCase
from platform_assets.declaration.needed_extras import needed_extras
from platform_assets.declaration.template import use_case_template
from platform_assets.extras import ExtraMissing, require_extras
from platform_assets.monitoring.cost.price_sheet import sheet_name
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.assets.delivery import delivery_asset, delivery_sensor
from platform_assets.orchestration.assets.usage import usage_asset, usage_sensor
from platform_assets.orchestration.assets.use_case_page import page_asset, page_sensor
from platform_assets.orchestration.automation import build_automation
from platform_assets.pipelines.check_declaration import check_declaration
from platform_assets.pipelines.cloud_settings import CloudContradicted, require_cloud
from platform_assets.settings import Settings


class UseCaseScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that loads as it is, with every guess marked."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file into the new folder."""
        (request.target_path / "defs.yaml").write_text(use_case_template(request.target_path.name))


class UnreadAttributes(BaseModel):
    """What dagster has read of `attributes`: taken over as it is, and not used.

    Dagster reads YAML 1.1, where the key `on` is a Boolean and a key that stands twice is lost. The component reads the file itself, as the
    command line and the service do; to people and tools this model looks like the declaration's.
    """

    model_config = ConfigDict(extra="allow")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of a use case, for editors and `dg check yaml`; `dg check defs` gets one that says nothing.

        Before it loads anything, `dg check defs` holds the last file of each component type against this schema, and stops at twelve
        lines for each mistake, without the known names. What it loads then reads every file, and has one line with file, line, field and
        what to do.
        """
        if sys.argv[1:3] == ["check", "defs"]:
            return {}
        return handler.resolve_ref_schema(handler(UseCase.__pydantic_core_schema__))


@dg.scaffold_with(UseCaseScaffolder)
@dataclass(frozen=True)
class MlUseCase(dg.Component):
    """An ML requirement: data, features, label, learners, gates, serving and monitoring, declared in one file."""

    use_case: UseCase
    folder: Path

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The declaration's schema, whose descriptions are the component's documentation."""
        return UnreadAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Read the file, with file and line in every error.

        Raises:
            dg.DagsterInvalidDefinitionError: there are no attributes, the file does not hold a valid use case, its history is too short for
                its folds, which `platform-assets run` would refuse, it needs an extra that is not installed, or settings name services of
                another cloud.
        """
        if attributes is None:
            raise dg.DagsterInvalidDefinitionError(
                f"{context.path}: `attributes` are missing; `dg scaffold defs platform_assets.MlUseCase NAME` writes a start"
            )
        try:
            use_case = check_declaration(context.path)
        except DeclarationError as error:
            raise dg.DagsterInvalidDefinitionError(str(error)) from error
        try:
            require_extras(needed_extras(use_case), use_case.name)
            require_cloud(use_case, Settings.from_environment())
        except (ExtraMissing, CloudContradicted) as error:
            raise dg.DagsterInvalidDefinitionError(f"{context.path}/defs.yaml: {error}") from error
        return cls(use_case=use_case, folder=context.path)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The use case's asset graph, jobs and sensors."""
        return use_case_definitions(self.use_case, self.folder)


def use_case_definitions(use_case: UseCase, folder: Path) -> dg.Definitions:
    """Definitions of one use case, without resources.

    Raises:
        ExtraMissing: its declaration needs an extra that is not installed.
    """
    require_extras(needed_extras(use_case), use_case.name)
    settings = Settings.from_environment()
    on = (
        settings.automation == "on" and use_case.orchestration == "dagster"
    )  # else an exported project starts its steps
    sheet = sheet_name(settings.price_sheet, use_case.cloud)
    simulated, told_by = settings.simulated_clock is not None, settings.alertmanager
    automation = build_automation(use_case, running=on, simulated=simulated)
    by_git = settings.gitops is not None and use_case.is_trained_here
    return dg.Definitions(
        assets=[
            *build_assets(use_case, folder, by_git=by_git),
            *([delivery_asset(use_case=use_case)] if by_git else []),
            page_asset(use_case=use_case, automation=on, alertmanager=told_by, sheet=sheet),
            usage_asset(use_case=use_case, sheet=sheet),
        ],
        jobs=automation.jobs,
        sensors=[
            *automation.sensors,
            *([delivery_sensor(use_case, running=on)] if by_git else []),
            page_sensor(use_case=use_case, automation=on, simulated=simulated, alertmanager=told_by, sheet=sheet),
            usage_sensor(use_case=use_case, automation=on, sheet=sheet),
        ],
    )
