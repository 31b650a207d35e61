"""The one screen at the end of a run.

Belongs here: gathering what happened from the instance, the registry and the lake, and printing it. Does not belong
here: making any of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table

from platform_assets.cli.console import console
from platform_assets.cli.run.replay import Traffic, request_body
from platform_assets.cli.run.timeline import Timeline
from platform_assets.declaration import Source
from platform_assets.installation import Installation
from platform_assets.lake.layout import LAYERS, MONITORING, QUARANTINE
from platform_assets.lake.schemas import quarantine_schema
from platform_assets.orchestration.assets.predictions import predictions_table
from platform_assets.orchestration.metadata import asset_key
from platform_assets.pipelines.tables import clean_counts, clean_table
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.training_run import ModelRun, read_model_run

if TYPE_CHECKING:
    from platform_assets.cli.run.journey import Journey


def print_summary(journey: Journey, days: Timeline, traffic: Traffic | None, seconds: float) -> None:
    """Print the screen: data, checks, models, champion, service, monitoring, next commands."""
    use_case, settings = journey.use_case, journey.settings
    models = Installation(settings).models
    registry = models.registry()
    champion = registry.by_alias(use_case.name, CHAMPION)
    console.rule(f"[bold]{use_case.name}")
    _print_data(journey, days)
    _print_checks(journey)
    if champion is not None:
        run = read_model_run(registry.run_folder(champion))
        _print_models(journey, run, champion)
    if use_case.is_realtime:
        _print_service(journey, traffic)
    else:
        _print_predictions(journey)
    _print_monitoring(journey, days)
    _print_next(journey, seconds)


def _print_data(journey: Journey, days: Timeline) -> None:
    console.print(f"[bold]data[/]        {days.history.first} .. {days.live.last}")
    for source in journey.use_case.sources:
        refused = journey.lake.table(journey.use_case.name, QUARANTINE, source.name, quarantine_schema(source))
        rows = _rows_that_count(journey, source)
        console.print(
            f"            {source.name:<16} {rows:>12,} rows, {refused.row_count() if refused.exists() else 0:,} refused"
        )


def _rows_that_count(journey: Journey, source: Source) -> int:
    """Published rows, without those that are only kept as deleted."""
    if source.is_daily:
        return sum(clean_counts(journey.lake, journey.use_case, source).values())
    clean = clean_table(journey.lake, journey.use_case, source)
    return clean.row_count() if clean.exists() else 0


def _checks(journey: Journey) -> list[tuple[str, str, bool, dict[str, Any]]]:
    """The latest evaluation of every check of the use case: asset, check, passed, metadata."""
    found = []
    keys = [
        key
        for key in journey.definitions.resolve_asset_graph().asset_check_keys
        if key.asset_key.path[0] == journey.use_case.name
    ]
    for key in sorted(keys, key=lambda key: (LAYERS.index(key.asset_key.path[1]), key.asset_key.path[2], key.name)):
        records = journey.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        if records and records[0].evaluation is not None:
            evaluation = records[0].evaluation
            values = {name: value.value for name, value in evaluation.metadata.items()}
            found.append(("/".join(key.asset_key.path[1:]), key.name, evaluation.passed, values))
    return found


def _print_checks(journey: Journey) -> None:
    checks = _checks(journey)
    failed = [check for check in checks if not check[2]]
    console.print(f"[bold]checks[/]      {len(checks) - len(failed)} passed, {len(failed)} failed")
    for asset, name, _, values in failed:
        why = values.get("explanation") or values.get("failed_columns") or values.get("failed_rules") or ""
        console.print(f"            [red]{asset}:{name}[/] {why}")


def _print_models(journey: Journey, run: ModelRun, champion: RegisteredVersion) -> None:
    metrics = list(run.comparison["metrics"])
    table = Table("candidate", *metrics, "seconds", box=None, pad_edge=False)
    for name, result in run.comparison["candidates"].items():
        mark = " *" if name == champion.tags["learner"] else " (baseline)" if result["baseline"] else ""
        cells = [f"{result['mean'][metric]:.4f} ± {result['std'][metric]:.4f}" for metric in metrics]
        table.add_row(name + mark, *cells, f"{result['seconds']:.1f}")
    folds = run.comparison["folds"]
    console.print(
        f"[bold]models[/]      mean over {len(folds)} folds, {folds[-1]['test_first']} .. {folds[0]['test_last']}"
    )
    console.print(table)
    reason = champion.tags.get("promoted_because", "")
    console.print(
        f"[bold]champion[/]    version {champion.version}: {champion.tags['learner']} as of {champion.tags['as_of']}. {reason}"
    )


def _print_service(journey: Journey, traffic: Traffic | None) -> None:
    use_case = journey.use_case
    address = journey.serving.target().address(use_case.name)
    console.print(f"[bold]service[/]     {address}")
    if traffic is not None:
        console.print(
            f"            {traffic.sent} live requests, {len(traffic.failures)} failed; p50 {traffic.percentile_ms(50):.1f} ms, "
            f"p99 {traffic.percentile_ms(99):.1f} ms at the caller; decisions {traffic.decisions}"
        )
    table = clean_table(journey.lake, use_case, use_case.event_source)
    row = table.read(*[table.partitions()[-1]] * 2).row(-1, named=True)
    body = request_body({name: row[name] for name in use_case.serving.request})
    console.print("            try it:")
    console.print(
        f"curl -s {address}/score -H 'content-type: application/json' -d '{json.dumps(body)}'",
        soft_wrap=True,
        markup=False,
    )


def _print_predictions(journey: Journey) -> None:
    """Where the predictions are, and the newest of them."""
    use_case = journey.use_case
    table = predictions_table(use_case, journey.lake)
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


def _print_monitoring(journey: Journey, days: Timeline) -> None:
    for name in ("drift", "quality"):
        event = journey.instance.get_latest_materialization_event(asset_key(journey.use_case, MONITORING, name))
        if event is None or event.asset_materialization is None:
            console.print(f"[bold]{name:<11}[/] not computed")
            continue
        values = {key: value.value for key, value in event.asset_materialization.metadata.items()}
        told = values.get("explanation") or (
            f"moved: {values['failed_columns']}" if values.get("failed_columns") else "no column moved"
        )
        console.print(f"[bold]{name:<11}[/] {values['status']}: {told}")
    reports = sorted(journey.serving.report_folder(journey.use_case.name).glob("*.html"))
    for report in reports[-3:]:
        console.print(f"            report {report}")


def _print_next(journey: Journey, seconds: float) -> None:
    console.print(f"[bold]done[/]        in {seconds:.0f} s. Next:")
    console.print("            make dev      the asset graph, checks and plots in Dagster's UI")
    console.print("            make status   what runs, and the ledger")
    console.print("            make stop     stop the service")
