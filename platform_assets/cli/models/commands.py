"""`platform-assets models`: versions, comparison, promotion, rollback, reproduction, and the ledger.

Belongs here: the commands with their arguments. Does not belong here: what each does and prints (one module for each), or the rules of a
promotion (`registry/`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from platform_assets.cli.answer import AsJson, answering
from platform_assets.cli.completion import model_names, use_case_names

app = typer.Typer(no_args_is_help=True, help="Versions of models: compare, promote, roll back, reproduce, look back.")
Model = Annotated[
    str,
    typer.Argument(
        autocompletion=model_names, metavar="MODEL@VERSION", help="Such as `fraud@3`, or an alias: `fraud@champion`."
    ),
]
Who = Annotated[str | None, typer.Option(help="Who decided it; default: the name of the system's user.")]


@app.command("list")
def list_models(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest versions to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The versions of each model: as of which day, which learner, how good, and which are champion or challenger."""
    from platform_assets.cli.models.versions import show_versions

    with answering(as_json) as answer:
        show_versions(use_case, limit, answer)


@app.command()
def compare(
    first: Model,
    second: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="Another version or alias of the same model; default: the champion."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Two versions side by side: metrics fold by fold, settings, and what they were made from."""
    from platform_assets.cli.models.comparison import show_comparison

    with answering(as_json) as answer:
        show_comparison(first, second, answer)


@app.command()
def promote(
    model: Model,
    to: Annotated[str | None, typer.Option(help="dev, staging or production; default: this installation's.")] = None,
    why: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "",
    who: Who = None,
    pr: Annotated[
        bool, typer.Option("--pr", help="Propose it in the GitOps repository instead; merging it promotes and deploys.")
    ] = False,
) -> None:
    """Make an evaluated version the champion of an environment, with its evidence."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.models.promotion import promote_version, propose_version

    with fail_readably():
        if pr:
            propose_version(model, to, why, who)
        else:
            promote_version(model, to, why, who)


@app.command()
def rollback(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    why: Annotated[str, typer.Option(help="What makes it necessary; kept in the ledger.")],
    to: Annotated[
        str | None, typer.Option(help="Version to go back to; default: the champion before this one.")
    ] = None,
    who: Who = None,
) -> None:
    """Go back to an earlier champion: its service starts, takes the traffic, and the ledger remembers why."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.models.rollback import roll_back_to

    with fail_readably():
        roll_back_to(use_case, to, why, who)


@app.command()
def reproduce(model: Model, as_json: AsJson = False) -> None:
    """Build the training set again from its versions, train again, and compare bytes and metrics."""
    from platform_assets.cli.models.reproduction import reproduce_version

    with answering(as_json) as answer:
        same = reproduce_version(model, answer)
    if not same:
        raise typer.Exit(1)


@app.command()
def ledger(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="What served then: 2018-06-01, or 2018-06-01T09:30 (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest entries to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What served when, made from what, promoted by which evidence."""
    from platform_assets.cli.models.ledger import show_ledger

    with answering(as_json) as answer:
        show_ledger(use_case, at, limit, answer)
