"""The component `platform_assets.MlUseCase`: a declared use case becomes Dagster definitions.

Belongs here: reading `attributes` into a `UseCase`, assembling its assets, jobs and sensors, and what
`dg scaffold defs` writes. Does not belong here: any single asset (`orchestration/assets/`) or trigger (`orchestration/`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.calendar import HolidaysFileError
from platform_assets.declaration.template import use_case_template
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.automation import build_automation


class UseCaseScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that loads as it is, with every guess marked."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file into the new folder."""
        (request.target_path / "defs.yaml").write_text(use_case_template(request.target_path.name))


@dg.scaffold_with(UseCaseScaffolder)
@dataclass(frozen=True)
class MlUseCase(dg.Component):
    """An ML requirement: data, features, label, learners, gates, serving and monitoring, declared in one file."""

    use_case: UseCase
    folder: Path

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The declaration's model; its descriptions are the component's documentation."""
        return UseCase

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Take over what dagster's YAML reader has validated, file and line included."""
        if not isinstance(attributes, UseCase):
            raise dg.DagsterInvalidDefinitionError(
                f"{context.path}: `attributes` are missing; `dg scaffold defs platform_assets.MlUseCase NAME` writes a start"
            )
        try:
            return cls(use_case=attributes.in_folder(context.path), folder=context.path)
        except HolidaysFileError as error:
            raise dg.DagsterInvalidDefinitionError(f"{context.path}: {error}") from error

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The use case's asset graph, jobs, schedules and sensors."""
        return use_case_definitions(self.use_case, self.folder)


def use_case_definitions(use_case: UseCase, folder: Path) -> dg.Definitions:
    """Definitions of one use case, without resources."""
    assets = build_assets(use_case, folder)
    automation = build_automation(use_case)
    return dg.Definitions(
        assets=assets, jobs=automation.jobs, schedules=automation.schedules, sensors=automation.sensors
    )
