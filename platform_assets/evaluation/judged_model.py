"""The model to be judged, with everything that its gates look at, and its opponent on the same rows.

Belongs here: arranging rows and predictions so that gates need no table and no registry. Does not belong here: bounds (`verdict`),
reading artifacts (`orchestration/assets/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.evaluation.recipe import Recipe, with_features
from platform_assets.tasks.metric import Vector
from platform_assets.tasks.registry import leaves_out_known_groups
from platform_assets.training.dataset import Dataset, rows_to_judge
from platform_assets.training.folds import Fold
from platform_assets.training.predictor import Predictor


@dataclass(frozen=True, eq=False)
class JudgedModel:
    """A challenger and what it was made from.

    Attributes:
        use_case: the declaration.
        learner: the candidate's name in the comparison.
        predictor: the model itself.
        recipe: how it was fitted.
        folder: where it lies, in its own format.
        digest: what it was registered with.
        comparison: the candidates' metrics by fold, as the model asset wrote them.
        fold: the latest fold: its recorded test days, and the declared training days before them.
        last_labelled_day: the last day whose labels are known as of the model's day.
        dataset: the whole training set.
        judged: the rows of the latest fold that candidates were judged on.
        predictions: by candidate, float64 [len(judged)], of a multi-class task [len(judged), K], recorded when it was compared, by
            models that saw none of the rows.
        columns: event and feature columns of the judged rows, in their order.
    """

    use_case: UseCase
    learner: str
    predictor: Predictor
    recipe: Recipe
    folder: Path
    digest: str
    comparison: Mapping[str, Any]
    fold: Fold
    last_labelled_day: date
    dataset: Dataset
    judged: Dataset
    predictions: Mapping[str, Vector]
    columns: pl.DataFrame

    @property
    def prediction(self) -> Vector:
        """The model's own recorded predictions of the judged rows."""
        return self.predictions[self.learner]

    @property
    def means(self) -> Mapping[str, float]:
        """Every metric's mean over the folds."""
        means: Mapping[str, float] = self.comparison["candidates"][self.learner]["mean"]
        return means

    @property
    def baseline_means(self) -> dict[str, Mapping[str, float]]:
        """Every metric's mean over the folds, of every baseline."""
        candidates = self.comparison["candidates"].items()
        return {name: result["mean"] for name, result in candidates if result["baseline"]}

    @property
    def baselines(self) -> dict[str, float]:
        """The selection metric of every baseline, its mean over the folds."""
        by = self.use_case.training.select_by
        candidates = self.comparison["candidates"].items()
        return {name: result["mean"][by] for name, result in candidates if result["baseline"]}


BOTH_OUT_OF_FOLD = "Both were trained as of the same day, so both are judged by their out-of-fold predictions."
ON_CHAMPION_DAYS = "The challenger's recipe was fitted on the champion's own training days."
OUT_OF_FOLD = (
    "The champion's training days are not in the training set: the challenger is judged by out-of-fold predictions, whose model "
    "is older than the champion or younger."
)


@dataclass(frozen=True, eq=False)
class SameRows:
    """Challenger and champion on the same rows, from which neither learned.

    Attributes:
        rows: in time order.
        model: float64 [n] or [n, K], what stands for the challenger.
        champion: the same of the champion; None when there is no champion or it cannot be asked.
        how: which model stands for the challenger; empty when there is no champion.
        problem: why the champion cannot be asked; empty when it can.
    """

    rows: Dataset
    model: Vector
    champion: Vector | None = None
    how: str = ""
    problem: str = ""


def alone(model: JudgedModel) -> SameRows:
    """There is no champion: the latest fold."""
    return SameRows(model.judged, model.prediction)


def of_other_classes(model: JudgedModel, classes: Sequence[str]) -> SameRows:
    """The champion tells other classes apart, or the same in another order: what it says of the rows cannot be compared."""
    other = f"it tells other classes apart ({', '.join(classes) or 'none'}, not {', '.join(model.use_case.classes) or 'none'})"
    problem = f"{other}; declare a bypass of this gate for the first model with the new classes"
    return SameRows(model.judged, model.prediction, problem=problem)


def against_champion(model: JudgedModel, champion: Predictor) -> SameRows:
    """Challenger and champion, fitted on the same days, on later rows.

    The champion was fitted nearer to the rows than any of the challenger's folds; to compare what the two *learn*, the challenger's
    recipe is fitted on the champion's days. Where these are not in the training set, its out-of-fold predictions have to do.

    Raises:
        TrainingError: the recipe cannot be fitted on the champion's days.
        ImputationError: nor its imputation.
    """
    absent = [name for name in champion.features if name not in model.dataset.features]
    if absent:
        return SameRows(
            model.judged,
            model.prediction,
            problem=(
                f"it needs features that the use case no longer has ({', '.join(absent)}); "
                "declare a bypass of this gate for the first model without them"
            ),
        )
    last = date.fromisoformat(champion.trained_on.last_day)
    training = _days_of(champion, model.dataset, model.use_case.label_delay_days)
    if training is None:
        later = model.judged.event_day > np.datetime64(last)
        rows, prediction, how = model.judged.where(later), model.prediction[later], OUT_OF_FOLD
    else:
        rows, how = _later_rows(model, champion), ON_CHAMPION_DAYS
        fitted = model.recipe(training) if len(rows) else model.predictor
        prediction = fitted.predict(with_features(rows, fitted.features).X)
    problem = "" if len(rows) else "there are no rows that the champion was not trained on"
    return SameRows(rows, prediction, champion.predict(with_features(rows, champion.features).X), how, problem)


def against_same_day(model: JudgedModel, recorded: pl.DataFrame) -> SameRows:
    """Challenger and champion as of the same day: both by their out-of-fold predictions, since its own fit has seen the fold.

    Args:
        model: the challenger.
        recorded: `key` and `champion`, the champion's out-of-fold predictions.
    """
    own = pl.DataFrame({"key": model.judged.key, "place": np.arange(len(model.judged))})
    both = own.join(recorded, on="key", how="inner").sort("place")
    position = both["place"].to_numpy()
    mask = np.zeros(len(model.judged), dtype=np.bool_)
    mask[position] = True
    problem = "" if len(position) else "there are no rows that both were judged on"
    rows = model.judged.where(mask)
    return SameRows(rows, model.prediction[mask], both["champion"].to_numpy(), BOTH_OUT_OF_FOLD, problem)


def _days_of(champion: Predictor, dataset: Dataset, label_delay_days: int) -> Dataset | None:
    """The rows of the champion's training days; None when the data set does not reach as far."""
    first, last = (date.fromisoformat(day) for day in (champion.trained_on.first_day, champion.trained_on.last_day))
    if len(dataset) == 0 or dataset.event_day[0] > np.datetime64(first) or dataset.event_day[-1] < np.datetime64(last):
        return None
    rows = dataset.rows(first, last)
    rows = rows.as_known(last + timedelta(days=max(1, label_delay_days)))  # the champion's own day
    return rows if len(rows) else None


def _later_rows(model: JudgedModel, champion: Predictor) -> Dataset:
    """All rows after the champion's last day, without groups known to be positive, as in every fold."""
    training, dataset = model.use_case.training, model.dataset
    last = date.fromisoformat(champion.trained_on.last_day)
    first_test, last_test = last + timedelta(days=1), date.fromisoformat(str(dataset.event_day[-1]))
    if last_test < first_test:
        return dataset.where(np.zeros(len(dataset), dtype=np.bool_))
    fold = Fold(
        index=0,
        train_first=date.fromisoformat(champion.trained_on.first_day),
        train_last=first_test - timedelta(days=training.splits.delay_days + 1),
        test_first=first_test,
        test_last=last_test,
    )
    return rows_to_judge(dataset, fold, leaves_out_known_groups(model.use_case))
