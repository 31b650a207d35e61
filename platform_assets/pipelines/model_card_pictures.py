"""Pictures of a model card, as image addresses that need no network.

Belongs here: which figures a card has, and their words for who cannot see them. Does not belong here: drawing them (`evaluation/plots.py`,
`tasks/*/plots.py`).
"""

import json
from typing import Any

import numpy as np

from platform_assets.declaration import UseCase
from platform_assets.evaluation.plots import CandidateFolds, folds_figure, importances_figure
from platform_assets.pictures.figures import svg_address
from platform_assets.pipelines.track_training import IMPORTANCES_FILE, TRACKING
from platform_assets.registry.training_run import ModelRun
from platform_assets.tasks.registry import task_of

WIDTH_INCHES = 6.4
"""Of a picture in a column of its own: its words stay readable on a telephone."""

Picture = dict[str, str]


def card_pictures(use_case: UseCase, run: ModelRun, winner: str) -> dict[str, list[Picture]]:
    """Pictures of the comparison, of the latest fold and of the importances; each with `alt` and `address`.

    Args:
        use_case: as it was declared when the model was made.
        run: its artifacts.
        winner: the candidate that became the model.
    """
    by = use_case.training.select_by
    better = bool(run.comparison["metrics"].get(by, True))
    rows = [
        CandidateFolds(
            name,
            [_number(fold["metrics"].get(by)) for fold in result["by_fold"]],
            is_baseline=bool(result["baseline"]),
            is_chosen=name == winner,
        )
        for name, result in run.comparison["candidates"].items()
        if not result["failure"]
    ]
    figure = folds_figure(rows, by, higher_is_better=better, width_inches=WIDTH_INCHES)
    folds = [{"alt": f"{by} of each candidate, fold by fold, with mean and interval", "address": svg_address(figure)}]
    return {"folds": folds, "curves": _curves(use_case, run, winner), "importances": _importances(run, by)}


def _curves(use_case: UseCase, run: ModelRun, winner: str) -> list[Picture]:
    """Of the latest fold; none of a run that kept no predictions of it."""
    recorded = run.latest_fold()
    name = f"prediction__{winner}"
    if name not in recorded.columns:
        return []
    task = task_of(use_case)
    y = task.labels(recorded["label"], use_case.classes)
    column = recorded[name]
    prediction = np.stack(column.to_list()) if column.dtype.is_nested() and len(column) else column.to_numpy()
    figures = task.figures(use_case, y, {winner: np.asarray(prediction, dtype=np.float64)})
    return [{"alt": words, "address": svg_address(figure)} for words, figure in figures.items()]


def _importances(run: ModelRun, by: str) -> list[Picture]:
    """None where the latest fold's labels are all alike, or the run kept none."""
    path = run.folder / TRACKING / IMPORTANCES_FILE
    importances = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not importances:
        return []
    figure = importances_figure(importances, by, WIDTH_INCHES)
    return [{"alt": f"{by} lost when a feature's values are shuffled, by feature", "address": svg_address(figure)}]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
