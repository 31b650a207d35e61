"""The commands.

Belongs here: one function for each command, with its help text. Does not belong here: the work of a command, which
stands in a module of its own.
"""

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.cli import (
    audit,
    bento,
    callers,
    change,
    check,
    cost,
    degraded,
    drift,
    erase,
    experiments,
    explain,
    export,
    gitops,
    lake,
    lineage,
    metrics,
    options,
    package,
    parity,
    proto,
    quarantine,
    rollout,
    sources,
    step,
    target,
    versions,
)
from platform_assets.cli.alerts import commands as alerts
from platform_assets.cli.answer import AsJson, answering
from platform_assets.cli.backup import app as backup_app
from platform_assets.cli.completion import use_case_names
from platform_assets.cli.features import commands as features
from platform_assets.cli.models import commands as models
from platform_assets.cli.predict import commands as predict
from platform_assets.cli.restore import app as restore_app
from platform_assets.cli.secrets import commands as secrets
from platform_assets.cli.start import Commands, WithWords, begin

app = Commands(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.callback(cls=WithWords)(begin)
app.add_typer(sources.app, name="sources")
app.add_typer(features.app, name="features")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(backup_app, name="backup")
app.add_typer(restore_app, name="restore")
app.add_typer(models.app, name="models")
app.add_typer(predict.app, name="predict")
app.add_typer(experiments.app, name="experiments")
app.add_typer(callers.app, name="callers")
app.add_typer(lake.app, name="lake")
app.add_typer(lineage.app, name="lineage")
app.add_typer(metrics.app, name="metrics")
app.add_typer(rollout.app, name="rollout")
app.add_typer(gitops.app, name="gitops")
app.add_typer(target.app, name="target")
app.add_typer(parity.app, name="parity")
app.add_typer(alerts.app, name="alerts")
app.add_typer(options.app, name="options")
app.add_typer(audit.app, name="audit")
app.command()(check.check)
app.add_typer(secrets.app, name="secrets")
app.add_typer(cost.app, name="cost")
app.add_typer(change.app, name="change")
app.command()(versions.versions)
app.command()(proto.proto)
app.command()(bento.bento)
app.command()(degraded.degraded)
app.command()(drift.drift)
app.command()(explain.explain)
app.command()(erase.erase)
app.command()(package.package)
app.command()(step.step)
app.command()(export.export)
app.command()(models.reproduce)


@app.command()
def run(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    first_answer: Annotated[
        bool,
        typer.Option(
            "--first-answer",
            help="Stop at the first answer of the first model, and what answered it; a further run goes on from there.",
        ),
    ] = False,
    beyond_budget: Annotated[
        bool, typer.Option("--beyond-budget", help="Begin although the forecast is above the declared budget.")
    ] = False,
) -> None:
    """Take use cases from their sources to a service that answered live traffic and is watched."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.run.imported_later import IMPORTED_LATER
    from platform_assets.features.aggregation.compilation import compiled_meanwhile

    with fail_readably(), compiled_meanwhile(IMPORTED_LATER):
        from platform_assets.cli.run.first_answer import answer_first
        from platform_assets.cli.run.steps import run_use_cases
        from platform_assets.installation import Installation

        installation = Installation.from_environment()
        if first_answer:
            answer_first(installation, use_case, beyond_budget=beyond_budget)
        else:
            run_use_cases(installation, use_case, beyond_budget=beyond_budget)


@app.command()
def live(
    use_case: Annotated[
        str, typer.Argument(autocompletion=use_case_names, help="Name of a use case whose events are simulated.")
    ],
    drift: Annotated[
        str | None,
        typer.Option(help="covariate, label, concept or upstream, from the first day on; none when left out."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days at most; as many as the drift needs when left out.")
    ] = None,
    seconds_per_day: Annotated[float, typer.Option(min=0, help="A day lasts at least so long.")] = 5.0,
    requests_per_day: Annotated[int, typer.Option(min=1, help="About how many requests are sent on a day.")] = 700,
    home: Annotated[
        Path | None, typer.Option(help="Its folder; `live` beside PLATFORM_ASSETS_HOME when left out.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of its address; 8730 when left out.")] = None,
    ui_port: Annotated[int | None, typer.Option(help="Port of Dagster's web UI; none when left out.")] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="A folder for pictures of the page before, while and after the drift is there; needs chromium."
        ),
    ] = None,
) -> None:
    """Let the days of a simulated world go by under Dagster's daemon, until a planted drift was answered by a new model."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.live.command import live_through
    from platform_assets.cli.live.world import Wish

    with fail_readably():
        wish = Wish(drift, days, seconds_per_day, requests_per_day, home, port)
        as_expected = live_through(use_case, wish, ui_port, pictures)
    if not as_expected:
        raise typer.Exit(1)


@rollout.app.command()
def rehearse(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all that answer requests without."),
    ] = None,
) -> None:
    """Train the next model and let it take over as a canary under replayed traffic, by verdict; `make run` ends with it."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.run.rehearsal import rehearse_rollouts
    from platform_assets.settings import Settings

    with fail_readably():
        rehearse_rollouts(Settings.from_environment(), use_case)


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="Name of the new use case.")],
    path: Annotated[
        str | None, typer.Option("--from", help="CSV, Parquet or JSON-lines file, a folder of them, or a glob.")
    ] = None,
    from_sql: Annotated[
        str | None, typer.Option(help="Environment variable with the SQLAlchemy address of a database; needs --table.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Table or view of that database.")] = None,
    label: Annotated[str | None, typer.Option(help="Column to predict; asked for or guessed when left out.")] = None,
    force: Annotated[bool, typer.Option(help="Overwrite a declaration that is there.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: every guess holds, as without a terminal.")
    ] = False,
    answers: Annotated[
        str | None, typer.Option(help="YAML file with answers, `question: answer`; what it has is not asked.")
    ] = None,
    tries: Annotated[
        bool,
        typer.Option(
            "--try/--no-try", help="Train one model on a sample at the end, and say what the gates say of it."
        ),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Look at data, ask what it does not say, and write a use case with every answer and every guess marked. On a terminal it asks:
    Enter takes the guess, a dash leaves a question open."""
    from platform_assets.cli.ask import is_conversation
    from platform_assets.cli.init import STOPPED, InitOptions, looking_at, start_use_case
    from platform_assets.settings import home_folder

    source = f"--from {path}" if path is not None else f"--from-sql {from_sql} --table {table}"
    asks = is_conversation() and not (yes or as_json)
    options = InitOptions(label, force, answers, asks, tries)
    with answering(as_json) as answer:
        written = start_use_case(name, looking_at(path, from_sql, table), source, options, answer, home_folder())
    if written is None:
        raise typer.Exit(STOPPED)


@app.command()
def stop() -> None:
    """Stop every process that was started for serving."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.services import stop_services
    from platform_assets.installation import Installation

    with fail_readably():
        stop_services(Installation.from_environment())


@app.command()
def status(
    use_case: Annotated[
        str | None,
        typer.Argument(
            autocompletion=use_case_names,
            help="Name of the use case; all of them when left out.",
        ),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Write the page of each use case, and the page of all.")] = False,
    output: Annotated[
        str | None, typer.Option(help="With --html: a file for the page of one use case, beside the folder of pages.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help='Print everything that stands on the pages as JSON, `"format": 1`.')
    ] = False,
) -> None:
    """Show whether all is well, where everything is, and how each use case does. Exit code 1: a service answers wrongly, or with --html or
    --json something is red."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation

    is_red = False
    with fail_readably():
        if html or as_json:
            from platform_assets.cli.pages import show_pages

            is_red = show_pages(Installation.from_environment(), use_case, html=html, output=output, as_json=as_json)
        else:
            from platform_assets.cli.services import show_status

            show_status(Installation.from_environment(), use_case)
    if is_red:
        raise typer.Exit(1)


@app.command()
def docs() -> None:
    """Write docs/reference/ and the list of metrics: the declaration from its models, the commands from their help, and what goes."""
    from platform_assets.cli import (
        command_reference,
        deprecation_reference,
        metrics_reference,
        options_reference,
        reference,
    )
    from platform_assets.cli.console import fail_readably
    from platform_assets.deprecations import DEPRECATIONS

    with fail_readably():
        reference.write_page(reference.TARGET, reference.render_reference())
        reference.write_page(command_reference.TARGET, command_reference.render_commands(app))
        page = deprecation_reference.render_deprecations(DEPRECATIONS)
        reference.write_page(deprecation_reference.DEPRECATIONS_PAGE, page)
        reference.write_page(
            options_reference.OPTIONS_PAGE, options_reference.render_options(options_reference.option_results())
        )
        reference.write_page(metrics_reference.TARGET, metrics_reference.render_now())
