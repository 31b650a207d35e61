"""How much each topic measures: in full, and for developing the benchmarks.

Belongs here: amounts. Does not belong here: measuring, or the order of the topics (`__main__.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.batch_scoring.topic import FEW_ROWS
from benchmarks.batch_scoring.topic import ROWS as BATCH_ROWS
from benchmarks.book.topic import OTHER_SEEDS
from benchmarks.cluster.topic import FULL as MANY_ON_A_CLUSTER
from benchmarks.cluster.topic import QUICK as FEW_ON_A_CLUSTER
from benchmarks.cluster.topic import Amount
from benchmarks.common.world import QUICK_SCALE
from benchmarks.estimates.topic import SEEDS as ESTIMATE_SEEDS
from benchmarks.explanations.topic import IDS as EXPLAINED_IDS
from benchmarks.explanations.topic import PROCESSES as EXPLAINED_IN_PROCESSES
from benchmarks.expressions.topic import ROWS as EXPRESSION_ROWS
from benchmarks.gates.topic import GOOD_SEEDS, WEEKS
from benchmarks.gates.topic import SEEDS as MODEL_SEEDS
from benchmarks.ingest.topic import ROWS
from benchmarks.lake.faults import GOOD_WORLDS
from benchmarks.lake.faults import SEEDS as FAULT_SEEDS
from benchmarks.parity.topic import REQUESTS
from benchmarks.quality.topic import SEEDS
from benchmarks.retrain.topic import SEEDS as RETRAIN_SEEDS
from benchmarks.rollouts.topic import TIMES as ROLLOUTS_OF_EACH
from benchmarks.thirty_days.topic import FULL_DAYS
from benchmarks.training.topic import ROWS as TRAINED_ROWS
from benchmarks.training_sets.topic import LABELS, LABELS_FEAST_SURVIVES
from benchmarks.verdicts.guards import ROLLOUTS as GUARD_ROLLOUTS
from benchmarks.verdicts.topic import ROLLOUTS


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        scale: simulator settings in place of the declared ones.
        requests: in each round of the latency benchmark.
        rounds: of everything that is repeated.
        redeployments: under load.
        rotations: of each credential.
        look_ups: in each pass.
        history_days: of the whole-history features.
        history_copies: the same history so many times over, for the long one: 20 million events.
        generated_histories: compared with an oracle.
        seeds: simulated worlds.
        streamed_seconds: how long events are streamed, each way.
        ingested_rows: of the history that is ingested.
        kills: of loaders.
        fault_seeds: each kind of fault is planted so often.
        good_worlds: worlds without a fault, 183 days each.
        model_seeds: each kind of bad model is planted so often.
        good_models: worlds with a good model.
        weeks: of retraining in each world of the comparison with the champion.
        moves: of a champion.
        reproduced: historical versions of a model.
        on_a_cluster: searches and fits.
        other_worlds: seeds of further worlds in which the table against the book is made.
        trained_rows: of the large training set.
        labels: rows of the training set.
        feast_labels: of these, as many as Feast's store survives.
        explained: predictions that are explained.
        explained_in_processes: of them once more, in a process of its own.
        compared: requests whose features are compared with the offline path.
        batch_rows: of the large table that is scored in batch.
        few_batch_rows: of the table that its memory is compared with.
        attack_seconds: how long each attack lasts.
        rollouts: simulated in each cell of the verdicts.
        guard_rollouts: simulated for each guard, by the functions that a rollout calls.
        rollouts_of_each: strategy, under load.
        doors: events through each door, or to each side of the request path.
        retrain_seeds: worlds whose years are replayed.
        estimate_seeds: worlds in which quality is estimated before labels.
        daemon_days: lived through under the daemon.
        expression_rows: of the table that expressions are computed over.
        busy_events: of one entity.
        forecast_days: whose runs are forecast.
        planted_changes: bad ones, and good ones.
        team_folders: from whose files somebody new begins.
    """

    scale: Mapping[str, Any]
    requests: int = 1050
    rounds: int = 3
    redeployments: int = 6
    rotations: int = 5
    look_ups: int = 1000
    history_days: int = 183
    history_copies: int = 12
    generated_histories: int = 10_000
    seeds: range = SEEDS
    streamed_seconds: float = 18.0
    ingested_rows: int = ROWS
    kills: int = 200
    fault_seeds: range = FAULT_SEEDS
    good_worlds: range = GOOD_WORLDS
    model_seeds: range = MODEL_SEEDS
    good_models: range = GOOD_SEEDS
    weeks: int = WEEKS
    moves: int = 50
    reproduced: int = 20
    on_a_cluster: Amount = MANY_ON_A_CLUSTER
    other_worlds: tuple[int, ...] = OTHER_SEEDS
    trained_rows: int = TRAINED_ROWS
    labels: int = LABELS
    feast_labels: int = LABELS_FEAST_SURVIVES
    explained: int = EXPLAINED_IDS
    explained_in_processes: int = EXPLAINED_IN_PROCESSES
    compared: int = REQUESTS
    batch_rows: int = BATCH_ROWS
    few_batch_rows: int = FEW_ROWS
    attack_seconds: float = 15.0
    rollouts: int = ROLLOUTS
    guard_rollouts: int = GUARD_ROLLOUTS
    rollouts_of_each: int = ROLLOUTS_OF_EACH
    doors: int = 10_000
    retrain_seeds: range = RETRAIN_SEEDS
    estimate_seeds: range = ESTIMATE_SEEDS
    daemon_days: int = FULL_DAYS
    expression_rows: int = EXPRESSION_ROWS
    busy_events: int = 1_000_000
    forecast_days: int = 14
    planted_changes: int = 100
    team_folders: int = 3


FULL = Size({})
QUICK = Size(
    QUICK_SCALE,
    requests=100,
    rounds=1,
    redeployments=1,
    rotations=1,
    look_ups=200,
    history_days=45,
    history_copies=2,
    generated_histories=200,
    seeds=range(2),
    streamed_seconds=1.0,
    ingested_rows=400_000,
    kills=10,
    fault_seeds=range(1),
    good_worlds=range(1, 2),
    model_seeds=range(1),
    good_models=range(3),
    weeks=2,
    moves=6,
    reproduced=2,
    planted_changes=3,
    team_folders=1,
    on_a_cluster=FEW_ON_A_CLUSTER,
    other_worlds=OTHER_SEEDS[:1],
    trained_rows=400_000,
    labels=100_000,
    feast_labels=5_000,
    explained=70,
    explained_in_processes=1,
    compared=1_000,
    batch_rows=600_000,
    few_batch_rows=200_000,
    attack_seconds=6.0,
    rollouts=200,
    guard_rollouts=4,
    rollouts_of_each=2,
    doors=500,
    retrain_seeds=range(1),
    estimate_seeds=range(1),
    daemon_days=6,
    expression_rows=200_000,
    busy_events=20_000,
    forecast_days=4,
)
