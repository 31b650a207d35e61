"""The one screen at the end of a run.

Belongs here: gathering what happened from the instance, the registry and the lake, and printing it. Does not belong
here: making any of it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from platform_assets.cli.answer import plain_table
from platform_assets.cli.console import console
from platform_assets.cli.overview import labelled
from platform_assets.cli.pages import where
from platform_assets.cli.rollout import show_rollout
from platform_assets.cli.run.journey import Journey
from platform_assets.cli.run.replay import Traffic, request_body
from platform_assets.cli.services import automation_line, print_service_check
from platform_assets.cli.web_ui import web_ui_line
from platform_assets.declaration import Source
from platform_assets.declaration.names import DRIFT, ESTIMATE, QUALITY
from platform_assets.lake.layout import MONITORING
from platform_assets.orchestration.in_process import CheckOutcome
from platform_assets.pipelines.check_service import ServiceCheck
from platform_assets.pipelines.gitops.automation import awaited_merge
from platform_assets.pipelines.use_case_state.read import sources_of
from platform_assets.registry.base import CHALLENGER, CHAMPION, RegisteredVersion
from platform_assets.registry.training_run import ModelRun, registered_run


def print_summary(
    journey: Journey, traffic: Traffic | None, seconds: float, service: ServiceCheck | None = None
) -> None:
    """Print the screen: data, checks, models, champion, service, monitoring, next commands.

    Args:
        journey: the use case and where its state lives.
        traffic: what the replay measured, if there was one.
        seconds: since the run began.
        service: what asking the service for a score showed; None for a use case without one.
    """
    use_case = journey.use_case
    console.rule(f"[bold]{use_case.name}")
    _print_data(journey)
    checks = journey.jobs.checks(use_case)
    _print_checks(checks)
    if use_case.is_trained_here:
        _print_champion(journey)
    if use_case.is_realtime:
        _print_service(journey, traffic)
    else:
        _print_predictions(journey)
    _print_monitoring(journey)
    if service is not None:
        print_service_check(service)
    page = ""
    if service is None or service.passed:
        state = journey.jobs.make_page(use_case, sources_of(journey.installation))
        page = where(state, journey.installation)
    _print_end(journey, service, checks, seconds, page)


def _print_champion(journey: Journey) -> None:
    registry = journey.installation.models.registry()
    champion = registry.by_alias(journey.use_case.name, CHAMPION)
    if champion is not None:
        _print_models(registered_run(registry, champion), champion)
    newest, ledger = (
        registry.by_alias(journey.use_case.name, CHALLENGER),
        journey.installation.models.ledger(journey.use_case.name),
    )
    waits = None if newest is None else awaited_merge(ledger, newest)
    if newest is not None and waits is not None:
        console.print(f"[bold]proposed[/]    version {newest.version}: it serves once {waits.branch} is merged")


def _print_data(journey: Journey) -> None:
    days = journey.days
    console.print(f"[bold]data[/]        {days.history.first} .. {days.live.last}")
    for source in journey.use_case.sources:
        refused = journey.catalog.quarantine(source.name)
        rows = _rows_that_count(journey, source)
        console.print(
            f"            {source.name:<16} {rows:>12,} rows, {refused.row_count() if refused.exists() else 0:,} refused"
        )


def _rows_that_count(journey: Journey, source: Source) -> int:
    """Published rows, without those that are only kept as deleted."""
    clean = journey.catalog.clean(source.name)
    if source.is_daily:
        return sum(clean.count_by_day().values())
    return clean.stored.row_count() if clean.exists() else 0


def _print_checks(checks: Sequence[CheckOutcome]) -> None:
    failed = [check for check in checks if not check.passed]
    console.print(f"[bold]checks[/]      {len(checks) - len(failed)} passed, {len(failed)} failed")
    for check in failed:
        evidence = (check.metadata.get(name) for name in ("explanation", "failed_columns", "failed_rules"))
        console.print(f"            [red]{check.asset}:{check.name}[/] {next(filter(None, evidence), '')}")


def print_candidates(run: ModelRun, learner: str) -> None:
    """Every candidate with its figures over the folds, the chosen learner marked."""
    metrics = list(run.comparison["metrics"])
    table = plain_table("candidate", *metrics, "seconds", right=(*metrics, "seconds"))
    for name, result in run.comparison["candidates"].items():
        mark = " *" if name == learner else " (baseline)" if result["baseline"] else ""
        cells = [_figure(result, metric) for metric in metrics]
        table.add_row(name + mark, *cells, f"{result['seconds']:.1f}")
    folds = run.comparison["folds"]
    console.print(
        f"[bold]models[/]      mean over {len(folds)} folds, {folds[-1]['test_first']} .. {folds[0]['test_last']}"
    )
    console.print(table)


def _figure(result: Mapping[str, Any], metric: str) -> str:
    """Mean and spread of a metric; a dash where a fold did not allow it."""
    mean, spread = result["mean"].get(metric), result["std"].get(metric)
    return "-" if mean is None or spread is None else f"{mean:.4f} ± {spread:.4f}"


def _print_models(run: ModelRun, champion: RegisteredVersion) -> None:
    print_candidates(run, champion.tags["learner"])
    reason = champion.tags.get("promoted_because", "")
    console.print(
        f"[bold]champion[/]    version {champion.version}: {champion.tags['learner']} as of {champion.tags['as_of']}. {reason}"
    )


def _print_service(journey: Journey, traffic: Traffic | None) -> None:
    use_case = journey.use_case
    status = journey.installation.serving.target().status()
    address = status.use_cases[use_case.name].address
    console.print(f"[bold]service[/]     {address}")
    console.print(f"            {status.callers}", markup=False, soft_wrap=True)
    if traffic is not None:
        console.print(
            f"            {traffic.sent} live requests, {len(traffic.failures)} failed; p50 {traffic.percentile_ms(50):.1f} ms, "
            f"p99 {traffic.percentile_ms(99):.1f} ms at the caller; decisions {traffic.decisions}"
        )
    if journey.installation.serving.target().rollout(use_case.name) is not None:
        show_rollout(journey.installation, use_case)
    table = journey.catalog.events.stored
    row = table.read(*[table.partitions()[-1]] * 2).row(-1, named=True)
    body = request_body({name: row[name] for name in use_case.serving.request})
    console.print("            try it:")
    token = (
        "-H 'authorization: Bearer TOKEN' "
        if status.checks_callers and use_case.serving.callers.auth == "token"
        else ""
    )
    console.print(
        f"curl -s {address}/score {token}-H 'content-type: application/json' -d '{json.dumps(body)}'",
        soft_wrap=True,
        markup=False,
    )


def _print_predictions(journey: Journey) -> None:
    """Where the predictions are, and the newest of them."""
    use_case = journey.use_case
    table = journey.catalog.predictions
    if not table.exists():
        console.print("[bold]predictions[/] none yet")
        return
    last = table.partitions()[-1]
    console.print(f"[bold]predictions[/] {table.row_count():,} rows up to {last} in {table.uri}")
    newest = table.read(last, last, columns=[*use_case.event_source.primary_key, use_case.event_time, "score"])
    for row in newest.tail(3).iter_rows():
        console.print(
            "            " + "  ".join(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row)
        )


def _print_monitoring(journey: Journey) -> None:
    for name in (DRIFT, ESTIMATE, QUALITY):
        values = journey.jobs.latest_metadata(journey.use_case, MONITORING, name)
        if values is None:
            console.print(f"[bold]{name:<17}[/] not computed")
            continue
        columns = values.get("failed_columns")
        explanation = values.get("explanation") or (f"moved: {columns}" if columns else "no column moved")
        console.print(f"[bold]{name:<17}[/] {values['status']}: {explanation}")
    reports = sorted(journey.installation.serving.report_folder(journey.use_case.name).glob("*.html"))
    for report in reports[-3:]:
        console.print(f"            report {report}")


def verdict_line(use_case: str, checks: Sequence[CheckOutcome], service: ServiceCheck | None, seconds: float) -> str:
    """Whether a run came out well, before everything else that somebody has to know."""
    failed = [f"{check.asset}:{check.name}" for check in checks if not check.passed and not check.warns]
    warned = [f"{check.asset}:{check.name}" for check in checks if not check.passed and check.warns]
    wrong = [f"{len(failed)} of {len(checks)} checks failed ({', '.join(failed)})"] if failed else []
    if service is not None and not service.passed:
        wrong.append("the service does not answer rightly")
    if wrong:
        return f"[bold red]not ok[/]      {use_case}, in {seconds:.0f} s: {escape('; '.join(wrong))}"
    answers = ", the service answers" if service is not None else ""
    warns = f"; [yellow]a warning[/] of {escape(', '.join(warned))}" if warned else ""
    passed = len(checks) - len(warned)
    return f"[bold green]ok[/]          {use_case}, in {seconds:.0f} s: {passed} checks passed{answers}{warns}"


def _print_end(
    journey: Journey, service: ServiceCheck | None, checks: Sequence[CheckOutcome], seconds: float, page: str
) -> None:
    """Ok or not, then where everything is, then what can be typed next."""
    use_case, settings = journey.use_case, journey.installation.settings
    console.rule()
    console.print(verdict_line(use_case.name, checks, service, seconds), soft_wrap=True)
    console.print(labelled("home", escape(f"{settings.home} ({settings.environment})")), soft_wrap=True)
    if use_case.is_realtime:
        target = journey.installation.serving.target()
        console.print(labelled("address", escape(target.address(use_case.name))), soft_wrap=True)
    alive = journey.jobs.daemon_is_alive()
    console.print(labelled("UI", escape(web_ui_line(alive=alive))), soft_wrap=True)
    if page:
        console.print(labelled("page", escape(page)), soft_wrap=True)
    console.print(labelled("automation", automation_line(settings)), soft_wrap=True)
    if service is not None and not service.passed:
        return
    console.print("[bold]next[/]")
    console.print(
        "            make dev      the asset graph, checks and plots in Dagster's UI, and the daemon that starts what is due"
    )
    console.print(
        "            make live     days that go by under the daemon: DRIFT=covariate is noticed and answered, by nobody's hand"
    )
    console.print("            make status   what runs, and the ledger")
    console.print("            make stop     stop the service")
