"""The parts of a training, by candidate, trial and fold, with what each took.

Belongs here: naming them. Does not belong here: measuring (`effort.py`), or pricing (`monitoring/cost`).
"""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.training.effort import PartOfTraining
from platform_assets.training.selection import Selection


def measured_parts(selection: Selection) -> Iterator[PartOfTraining]:
    """Every fold of every trial and candidate that this process fitted and judged; trials of another process have none."""
    for name, search in selection.searches.items():
        for trial in search.trials:
            for number, effort in enumerate(trial.efforts):
                yield PartOfTraining(f"{name}/trial {trial.number}/fold {number}", effort)
    for result in selection.comparison.results:
        for fold in result.folds:
            if fold.effort is not None:
                yield PartOfTraining(f"{result.candidate.name}/fold {fold.fold.index}", fold.effort)
    final = selection.final_test
    if final is not None and final.effort is not None:
        yield PartOfTraining(f"{selection.winner.name}/final test", final.effort)
