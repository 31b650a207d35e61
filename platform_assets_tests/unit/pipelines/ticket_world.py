"""A use case with several classes, as a team would hand it over: a `defs.yaml` and CSV files.

Belongs here: the declaration, and simulated tickets whose classes follow from what a ticket is like. Does not belong here: running it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declaration, row, window, write_declaration

FIRST_DAY = date(2025, 3, 3)
DAYS = 30
TICKETS_PER_DAY = 60
CLASSES = ("billing", "outage", "how to", "other")
"""One with a space: a class is a text, not a name."""


def _file(name: str) -> dict[str, Any]:
    return {"kind": "files", "format": "csv", "path": f"data/{name}.csv"}


TICKETS = declaration(
    name="ticket_queue",
    table="tickets",
    events={
        "ticket": {"type": "int64", "unique": True},
        "opened_at": "datetime",
        "customer": "string",
        "length": {"type": "float64", "minimum": 0},
        "amounts": {"type": "int64", "minimum": 0},
        "errors": "int64?",
    },
    connector=_file("tickets"),
    label={"queue": CLASSES},
    label_source={"name": "queues", "connector": _file("queues"), "quality": {"max_refused_ratio": 0.05}},
    history={"first_day": FIRST_DAY, "last_day": FIRST_DAY + timedelta(days=DAYS - 1)},
    features=[
        {"name": "text", "rows": [row(name, name) for name in ("length", "amounts", "errors")]},
        {"name": "history", "entity": "customer", "windows": [window("tickets_before", "count", None, [3])]},
    ],
    training={
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "logistic", "kind": "logistic_regression"},
            {"name": "trees", "kind": "xgboost", "settings": {"n_estimators": 20, "max_depth": 3}},
        ],
        "splits": {"train_days": 8, "delay_days": 1, "test_days": 5, "folds": 2},
        "metrics": ["balanced_accuracy", "accuracy", "macro_f1", "worst_class_recall", "auc_roc", "log_loss"],
    },
    gates={
        "min_training_rows": 200,
        "min_positives": 10,
        "floors": [{"metric": "worst_class_recall", "bound": 0.15}, {"metric": "auc_roc", "bound": 0.7}],
        "max_calibration_error": 0.2,
        "slices": [
            {
                "name": "size",
                "expression": "CASE WHEN length > 300 THEN 'long' ELSE 'short' END",
                "floor": 0.3,
                "min_rows": 40,
            }
        ],
        "behaviour": [
            {
                "kind": "direction",
                "name": "amounts_are_billing",
                "change": {"amounts": "amounts + 2"},
                "score": "not_lower",
                "of_class": "billing",
                "max_violating_ratio": 0.1,
            },
            {
                "kind": "invariance",
                "name": "history_says_little",
                "change": {"tickets_before_3d": 0},
                "max_change": 0.5,
            },
        ],
    },
    monitoring={"window_days": 4, "min_rows": 60, "quality_metric": "balanced_accuracy"},
)


def declared(**sections: Any) -> UseCase:
    """The declaration with some of its sections changed."""
    return UseCase.model_validate({**TICKETS, **sections})


def simulated_tickets(days: int = DAYS, per_day: int = TICKETS_PER_DAY, seed: int = 5) -> pl.DataFrame:
    """Tickets with their queues: the class decides what a ticket is like, and one in ten is of another class than it looks."""
    random = np.random.default_rng(seed)
    total = days * per_day
    place = random.choice(4, total, p=(0.4, 0.15, 0.3, 0.15))
    looks = np.where(random.random(total) < 0.1, random.integers(0, 4, total), place)
    start = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    opened = [
        start + timedelta(days=i // per_day, seconds=int((i % per_day + 0.5) * 86_400 / per_day)) for i in range(total)
    ]
    errors = random.poisson(np.array([0.1, 3.0, 0.3, 0.1])[looks]).astype(float)
    return pl.DataFrame(
        {
            "ticket": np.arange(total),
            "opened_at": [moment.isoformat() for moment in opened],
            "customer": [f"C{number:03d}" for number in random.integers(0, 200, total)],
            "length": np.round(random.gamma(4, np.array([60, 40, 110, 60])[looks]), 1),
            "amounts": random.poisson(np.array([2.5, 0.2, 0.3, 0.5])[looks]),
            "errors": pl.Series(np.where(random.random(total) < 0.02, np.nan, errors)).fill_nan(None).cast(pl.Int64),
            "queue": [CLASSES[k] for k in place],
        }
    )


def write_tickets(folder: Path, document: dict[str, Any] | None = None, tickets: pl.DataFrame | None = None) -> None:
    """The folder of the use case: declaration and two files."""
    (folder / "data").mkdir(parents=True)
    write_declaration(folder, document or TICKETS)
    rows = simulated_tickets() if tickets is None else tickets
    rows.drop("queue").write_csv(folder / "data" / "tickets.csv")
    rows.select("ticket", "opened_at", "queue").write_csv(folder / "data" / "queues.csv")
