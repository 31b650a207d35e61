"""What a training that is cut off has finished of its comparison: predictions of folds, kept until its model is registered.

Belongs here: under which name a fold is kept, writing, reading and clearing. Does not belong here: the comparison (`compare.py`), and
trials of a search, which their engine keeps (`tuning/`).

A fold is found again only where all that its predictions depend on is the same: rows, settings, seed, imputation, libraries, code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import library_versions
from platform_assets.training.learners import Learner
from platform_assets.training.learners.base import Vector
from platform_assets.training.predictor import ImputationStrategy


@dataclass(frozen=True)
class KeptFold:
    """One candidate's predictions for the test rows of one fold, and how long they took."""

    prediction: Vector
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True)
class KeptFolds:
    """The folder of one training.

    Attributes:
        folder: made when the first fold is kept.
        made_by: names the code; folds of other code are not taken.
    """

    folder: Path
    made_by: str

    def name_of(
        self,
        learner: Learner,
        train: Dataset,
        test: Dataset,
        seed: int,
        impute: Mapping[str, ImputationStrategy] | None,
    ) -> str:
        """Names everything that the predictions of a fold depend on."""
        what = {
            "learner": learner.document(),
            "objective": learner.objective,
            "versions": dict(library_versions((*learner.libraries, *learner.fit_libraries))),
            "seed": seed,
            "impute": {name: repr(strategy) for name, strategy in sorted((impute or {}).items())},
            "classes": train.classes,
            "made_by": self.made_by,
        }
        total = hashlib.sha256(json.dumps(what, sort_keys=True, default=repr).encode())
        for rows, arrays in ((train, (train.X, train.y, train.event_day)), (test, (test.X,))):
            total.update(json.dumps([*rows.features, len(rows)]).encode())
            for array in arrays:
                total.update(np.ascontiguousarray(array).view(np.uint8).data)
        return total.hexdigest()[:32]

    def find(self, name: str) -> KeptFold | None:
        """A fold that was finished; None where there is none, or its file is damaged."""
        try:
            with np.load(self._path(name), allow_pickle=False) as kept:
                seconds = kept["seconds"].tolist()
                return KeptFold(kept["prediction"], seconds[0], seconds[1])
        except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile):
            return None

    def keep(self, name: str, fold: KeptFold) -> None:
        """Write a fold, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{name}.{os.getpid()}"
        try:
            with part.open("wb") as out:
                seconds = np.array([fold.fit_seconds, fold.predict_seconds])
                np.savez(out, prediction=fold.prediction, seconds=seconds)
            part.replace(self._path(name))
        finally:
            part.unlink(missing_ok=True)

    def clear(self) -> None:
        """The training is over: nothing of it is taken again."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
