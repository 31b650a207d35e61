"""`platform-assets run --first-answer`: the shortest way from sources to a payment that is scored.

Belongs here: the history, one model, its service, one request. Does not belong here: what comes after it (`steps.py`).
"""

from time import monotonic

from platform_assets.cli.console import console
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.steps import ask_budget, home_prepared, loaded, train_on_history
from platform_assets.cli.services import print_service_check, stop_services
from platform_assets.installation import Installation
from platform_assets.pipelines.check_service import require_answers
from platform_assets.pipelines.verify_lake import refuse_damaged


class NoAnswers(ValueError):
    """A use case that answers no requests was asked for an answer."""


def answer_first(installation: Installation, name: str | None, *, beyond_budget: bool = False) -> None:
    """Train the first model of a use case on its history, deploy it, ask it once, and stop what answered.

    Everything that was made stays: `platform-assets run` goes on with the live days.

    Raises:
        NoAnswers: no use case that was chosen answers requests.
        BudgetExceeded: the forecast is above a declared budget, unless `beyond_budget`.
        RunFailed: a job did not succeed; where gates refused the model, its figures were printed.
        ServiceNotAnswering: the service does not answer rightly.
    """
    started = monotonic()
    with home_prepared(installation):
        jobs, chosen = loaded(installation, name)
        answering = [declared for declared in chosen if declared.use_case.answers_requests]
        if not answering:
            names = ", ".join(declared.use_case.name for declared in chosen)
            raise NoAnswers(f"--first-answer: {names} answers no requests; leave the option out")
        try:
            for declared in answering:
                journey = Journey(declared, installation, jobs)
                if not beyond_budget:
                    ask_budget(journey)
                _answer(journey)
        finally:  # what was refused or interrupted would hold the port against the next run
            stop_services(installation)
        console.print(f"[bold green]ok[/]          the first answer, {monotonic() - started:.0f} s after this began")


def _answer(journey: Journey) -> None:
    refuse_damaged(journey.catalog)
    train_on_history(journey)
    use_case, installation = journey.use_case, journey.installation
    feast = installation.feature_store.settings(use_case)
    print_service_check(require_answers(use_case, installation.serving, feast))
