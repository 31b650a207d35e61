"""`make bench`: measure, print, and write docs/reports/benchmarks.md.

Belongs here: the order of the topics and how much of each is measured. Does not belong here: measuring anything.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.attack.topic import measure_attack
from benchmarks.batch_scoring.topic import measure_batch_scoring
from benchmarks.book.topic import measure_book
from benchmarks.busy_entities.topic import TITLE as BUSY_TITLE
from benchmarks.busy_entities.topic import measure_busy_entities
from benchmarks.changes.topic import TITLE as CHANGES_TITLE
from benchmarks.changes.topic import measure_changes
from benchmarks.cluster.topic import measure_cluster
from benchmarks.common.deployed import DeployedUseCase, find_installation, staged
from benchmarks.common.machine import busy_cores, describe_code, describe_machine
from benchmarks.common.report import Topic, missed_bars, not_measured, render
from benchmarks.common.world import scored_use_case
from benchmarks.cost.topic import TITLE as COST_TITLE
from benchmarks.cost.topic import measure_cost
from benchmarks.day.topic import measure_day
from benchmarks.doors.topic import TITLE as DOORS_TITLE
from benchmarks.doors.topic import measure_doors
from benchmarks.estimates.topic import TITLE as ESTIMATES_TITLE
from benchmarks.estimates.topic import measure_estimates
from benchmarks.explanations.topic import TITLE as EXPLANATIONS_TITLE
from benchmarks.explanations.topic import measure_explanations
from benchmarks.expressions.topic import TITLE as EXPRESSIONS_TITLE
from benchmarks.expressions.topic import measure_expressions
from benchmarks.features.history import measure_history, measure_look_ups
from benchmarks.features.next_day import measure_next_day
from benchmarks.gates.topic import measure_champion_comparison, measure_model_gates
from benchmarks.images.topic import TITLE as IMAGES_TITLE
from benchmarks.images.topic import measure_images
from benchmarks.ingest.topic import measure_ingest
from benchmarks.lake.crashes import measure_crashes
from benchmarks.lake.faults import measure_faults
from benchmarks.ledger.topic import measure_ledger
from benchmarks.onboarding.topic import TITLE as ONBOARDING_TITLE
from benchmarks.onboarding.topic import measure_onboarding
from benchmarks.online.topic import measure_online
from benchmarks.parity.topic import measure_parity
from benchmarks.point_in_time.topic import measure_point_in_time
from benchmarks.quality.topic import measure_quality, measure_worlds
from benchmarks.reproduce.topic import measure_reproduction
from benchmarks.request_path.topic import measure_request_path
from benchmarks.retrain.topic import TITLE as RETRAIN_TITLE
from benchmarks.retrain.topic import measure_retrain
from benchmarks.rollouts.topic import measure_rollouts
from benchmarks.scale.topic import TITLE as SCALE_TITLE
from benchmarks.scale.topic import measure_scale_of
from benchmarks.secrets.topic import TITLE as SECRETS_TITLE
from benchmarks.secrets.topic import measure_secrets
from benchmarks.serving.latency import measure_latency
from benchmarks.serving.log_modes import measure_log_modes
from benchmarks.serving.redeploy import measure_redeploy
from benchmarks.sizes import FULL, QUICK, Size
from benchmarks.startup.topic import measure_definitions, measure_service_start
from benchmarks.stream_scoring.topic import measure_stream_scoring
from benchmarks.thirty_days.topic import measure_thirty_days
from benchmarks.tracing.topic import TITLE as TRACING_TITLE
from benchmarks.tracing.topic import measure_tracing
from benchmarks.training.topic import TRIALS, measure_training
from benchmarks.training_sets.topic import measure_training_sets
from benchmarks.verdicts.guards import measure_guards
from benchmarks.verdicts.topic import measure_detection, measure_false_stops
from platform_assets.deployment.errors import DeploymentError
from platform_assets.lake.errors import LakeError
from platform_assets.testing.child_process import ROOT

TARGET = ROOT / "docs" / "reports" / "benchmarks.md"
EXPECTED = (ValueError, RuntimeError, OSError, DeploymentError, LakeError)
"""What a topic may fail with; the others are measured all the same."""


Log = Callable[[str], None]
Measure = Callable[[Size, Log], Topic]


def _history(size: Size, log: Log) -> Topic:
    declared = scored_use_case()
    return measure_history(declared.use_case, declared.folder, size.history_days, size.scale, size.rounds, log)


def _long_history(size: Size, log: Log) -> Topic:
    declared = scored_use_case()
    world = (declared.use_case, declared.folder, size.history_days, size.scale)
    return measure_history(*world, rounds=1, log=log, copies=size.history_copies)


def _next_day(size: Size, log: Log) -> Topic:
    declared = scored_use_case()
    return measure_next_day(declared.use_case, declared.folder, size.history_days, size.scale, log)


TOPICS: dict[str, tuple[str, Measure]] = {
    "rollouts": (
        "Rollouts of every strategy under load",
        lambda size, log: measure_rollouts(size.rollouts_of_each, log),
    ),
    "online": (
        "The online store",
        lambda size, log: measure_online(size.scale, size.look_ups, size.rounds, size.streamed_seconds, log),
    ),
    "history": ("Features of the whole history", _history),
    "long-history": ("Features of a history ten times as large", _long_history),
    "next-day": ("One new day of features", _next_day),
    "point-in-time": ("Point in time", lambda size, log: measure_point_in_time(size.generated_histories, log)),
    "training-set": (
        "Training sets by as-of join",
        lambda size, log: measure_training_sets(
            log, labels=size.labels, feast_labels=size.feast_labels, rounds=size.rounds
        ),
    ),
    "busy_entities": (
        BUSY_TITLE,
        lambda size, log: measure_busy_entities(size.busy_events, size.generated_histories, log),
    ),
    "day": ("What a day costs", lambda size, log: measure_day(size.scale, log)),
    "cost": (COST_TITLE, lambda size, log: measure_cost(size.scale, size.rounds, size.forecast_days, log)),
    "request_path": ("The request path", lambda size, log: measure_request_path(size.doors, size.rounds, log)),
    "expressions": (
        EXPRESSIONS_TITLE,
        lambda size, log: measure_expressions(size.expression_rows, 5 * size.rounds, log),
    ),
    "parity": (
        "Parity of served and offline features",
        lambda size, log: measure_parity(scored_use_case().use_case, size.scale, log, requests=size.compared),
    ),
    "explanations": (
        EXPLANATIONS_TITLE,
        lambda size, log: measure_explanations(size.explained, size.explained_in_processes, log),
    ),
    "ingest": (
        "Ingesting a history",
        lambda size, log: measure_ingest(log, rows=size.ingested_rows, rounds=size.rounds),
    ),
    "images": (IMAGES_TITLE, lambda size, log: measure_images(size.rounds, log)),
    "crashes": ("Loads that are killed", lambda size, log: measure_crashes(size.kills, log=log)),
    "faults": (
        "Planted faults",
        lambda size, log: measure_faults(log, seeds=size.fault_seeds, worlds=size.good_worlds),
    ),
    "model-gates": (
        "Bad models and the gates",
        lambda size, log: measure_model_gates(log, seeds=size.model_seeds, good_seeds=size.good_models),
    ),
    "onboarding": (ONBOARDING_TITLE, lambda size, log: measure_onboarding(log, size.team_folders)),
    "changes": (CHANGES_TITLE, lambda size, log: measure_changes(log, size.planted_changes)),
    "champion": ("No worse than the champion", lambda size, log: measure_champion_comparison(log, count=size.weeks)),
    "verdicts": ("Good versions that are stopped", lambda size, log: measure_false_stops(log, size.rollouts)),
    "detection": ("Bad versions that are stopped", lambda size, log: measure_detection(log, size.rollouts)),
    "guards": ("Other guards", lambda size, log: measure_guards(log, size.guard_rollouts)),
    "estimates": (ESTIMATES_TITLE, lambda size, log: measure_estimates(size.estimate_seeds, log)),
    "stream-scoring": ("A stream under kill -9", lambda size, log: measure_stream_scoring(size.kills, log)),
    "batch-scoring": (
        "A table of ten million rows",
        lambda size, log: measure_batch_scoring(log, size.batch_rows, size.few_batch_rows),
    ),
    "thirty_days": ("Thirty days under the daemon", lambda size, log: measure_thirty_days(size.daemon_days, log)),
    "tracing": (TRACING_TITLE, lambda size, log: measure_tracing(size.requests, log)),
    "secrets": (SECRETS_TITLE, lambda size, log: measure_secrets(size.rotations, log)),
    "retrain": (RETRAIN_TITLE, lambda size, log: measure_retrain(log, size.retrain_seeds)),
    "ledger": ("The ledger under kill -9", lambda size, log: measure_ledger(size.moves, size.rounds, log=log)),
    "reproduce": ("Historical models made again", lambda size, log: measure_reproduction(size.reproduced, log=log)),
    "scale": (SCALE_TITLE, lambda size, log: measure_scale_of(bool(size.scale), log)),
    "cluster": ("A cluster of two nodes", lambda size, log: measure_cluster(size.on_a_cluster, log)),
    "quality": ("Model quality", lambda size, log: measure_quality(size.rounds, size.scale, log)),
    "book": ("Against the book", lambda size, log: measure_book(size.scale, log, size.other_worlds)),
    "training": (
        "Training on many rows, and the loop of a search",
        lambda size, log: measure_training(size.trained_rows, TRIALS, size.rounds, log),
    ),
    "worlds": ("The same learner in other worlds", lambda size, log: measure_worlds(size.seeds, size.scale, log)),
}
"""Those that need no deployed service, with their headings, in the order of the report."""


class Plan:
    """The topics by name; the deployed service is looked for, and staged, when the first topic needs it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._staged: DeployedUseCase | None = None
        self.topics: dict[str, tuple[str, Measure]] = {
            "definitions": ("Loading the definitions", lambda size, log: measure_definitions(size.rounds, log)),
            "start": ("Starting the service", self._start),
            "latency": ("Scoring latency", self._latency),
            "log-modes": ("An answer in the log, or on its way there", self._log_modes),
            "redeploy": ("Redeployment and failure under load", self._redeploy),
            "attack": ("Under attack", self._attack),
            "doors": (DOORS_TITLE, self._doors),
            "look-ups": ("Features of one request", self._look_ups),
            **TOPICS,
        }

    def _installation(self) -> DeployedUseCase:
        if self._staged is None:
            self._staged = self._stack.enter_context(staged(find_installation()))
        return self._staged

    def _start(self, size: Size, log: Log) -> Topic:
        return measure_service_start(self._installation(), size.rounds, log)

    def _latency(self, size: Size, log: Log) -> Topic:
        return measure_latency(self._installation(), size.requests, size.rounds, log)

    def _log_modes(self, size: Size, log: Log) -> Topic:
        return measure_log_modes(find_installation(), size.requests, size.rounds, log)

    def _redeploy(self, size: Size, log: Log) -> Topic:
        return measure_redeploy(self._installation(), size.redeployments, log)

    def _attack(self, size: Size, log: Log) -> Topic:
        return measure_attack(find_installation(), size.attack_seconds, log)

    def _doors(self, size: Size, log: Log) -> Topic:
        return measure_doors(find_installation(), size.doors, log)

    def _look_ups(self, size: Size, log: Log) -> Topic:
        installation = self._installation()
        bodies = installation.distinct[: size.look_ups]
        return measure_look_ups(installation.folder, installation.settings.feast, bodies, size.rounds, log)


def measure(names: list[str], size: Size, console: Console) -> Iterator[Topic]:
    """Measure the named topics one after the other; one that fails does not keep the others from being measured."""

    def log(line: str) -> None:
        console.print(f"  {line}", markup=False)

    with ExitStack() as stack:
        plan = Plan(stack)
        for title, topic in (plan.topics[name] for name in names):
            console.print(f"[bold]» {title}[/]")
            try:
                yield topic(size, log)
            except EXPECTED as error:
                log(f"could not be measured: {error}")
                yield not_measured(title, str(error))


def main(arguments: list[str]) -> int:
    """Run the topics; 1 when a bar was missed."""
    names = list(Plan(ExitStack()).topics)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the platform.")
    parser.add_argument("--quick", action="store_true", help="tiny parameters, for developing the benchmarks")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="TOPIC", help=", ".join(names))
    parser.add_argument(
        "--output", type=Path, help="where to write the report; a full run writes docs/reports/benchmarks.md"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    full = not options.quick and options.only == names
    busy = busy_cores()
    topics = list(measure(options.only, QUICK if options.quick else FULL, console))
    chosen = ["--quick"] * options.quick + (["--only", *options.only] if options.only != names else [])
    command = "make bench" if full else " ".join(["python -m benchmarks", *chosen])
    day = datetime.now(UTC).date().isoformat()
    text = render(topics, describe_machine(), describe_code(), day, busy, command)
    console.print(text, markup=False)
    output = options.output or (TARGET if full else None)
    if output is not None:
        output.write_text(text, encoding="utf-8")
        console.print(f"wrote {output}")
    missed = missed_bars(topics)
    for bar in missed:
        console.print(f"[bold red]missed:[/] {bar.what}: {bar.measured}")
    return 1 if missed else 0


def _leave(number: int, _frame: object) -> None:
    """Leave in an orderly way when told to stop: what was started is stopped on the way out, and no child is left."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main(sys.argv[1:]))
