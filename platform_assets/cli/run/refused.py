"""The screen of a run whose model its gates refused.

Belongs here: the refused model's figures, the gates that are red, and where to go on. Does not belong here: the screen of a run that came
to its end (`summary.py`), or judging.
"""

from datetime import date

from rich.markup import escape

from platform_assets.cli.console import console
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.summary import print_candidates
from platform_assets.pipelines.addresses import card_name
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.training_run import registered_run, trained_as_of
from platform_assets.training.artifact import ArtifactError


def print_refused(journey: Journey, day: date) -> bool:
    """Print the model as of a day if its gates refused it; False, and nothing printed, where there is none, or it was not judged."""
    use_case, as_of = journey.use_case, day.isoformat()
    registry = journey.installation.models.registry()
    try:
        version = trained_as_of(registry, use_case, as_of)
        run = registered_run(registry, version)
    except (RegistryError, ArtifactError):  # why the run failed is told anyway
        return False
    evidence = run.evidence()
    if not evidence or evidence["passed"]:
        return False
    console.rule(f"[bold]{use_case.name}")
    print_candidates(run, version.tags["learner"])
    console.print(
        f"[bold red]refused[/]     version {version.version}: {version.tags['learner']} as of {as_of}, by its gates"
    )
    for gate in evidence["gates"]:
        if not gate["passed"]:
            console.print(f"            [red]{gate['name']}[/] {escape(gate['explanation'])}")
    card = journey.installation.serving.report_folder(use_case.name) / card_name(version.version)
    if card.is_file():
        console.print(f"[bold]card[/]        {card}")
    console.print(f"            next: platform-assets models compare {use_case.name}@{version.version}")
    return True
