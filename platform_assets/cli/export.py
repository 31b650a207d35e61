"""`platform-assets export`: a use case as a project of Airflow, Prefect or Kubeflow.

Belongs here: the command. Does not belong here: the projects (`pipelines/export/`), or the steps that they call (`step.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.cli.completion import use_case_names
from platform_assets.cli.console import console, fail_readably


def export(
    orchestrator: Annotated[str, typer.Argument(help="airflow, prefect or kubeflow.")],
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    into: Annotated[Path, typer.Option(help="Folder to write; an earlier export in it is replaced.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 where what lies there is out of date.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files as well that no export wrote, or that changed.")
    ] = False,
) -> None:
    """Write a use case as a project of another orchestrator, with the same steps, order, days, gates and retries."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.pipelines.export.plan import plan_export
    from platform_assets.pipelines.export.registry import ORCHESTRATORS
    from platform_assets.pipelines.export.write import check_export, write_export

    with fail_readably():
        chosen = ORCHESTRATORS[orchestrator]
        [declared] = declared_use_cases(use_case)
        if check:
            check_export(orchestrator, declared.use_case, into)
            console.print(f"{into} is what would be written now", markup=False)
            return
        written = write_export(orchestrator, declared.use_case, into, force=force)
        console.print(f"{use_case} for {orchestrator}: {written.folder}", markup=False)
        for name in written.files:
            console.print(f"  {name}{'' if name in written.changed else ' (as before)'}", markup=False)
        for name in written.removed:
            console.print(f"  {name} removed", markup=False)
        console.print(chosen.how_to_run(plan_export(declared.use_case)), markup=False)
