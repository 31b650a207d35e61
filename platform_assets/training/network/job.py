"""What the processes that fit one network are given, and how they give it back.

Belongs here: the arrays of a fit, on disk and in memory. Does not belong here: making them (`learners/neural`), starting processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from platform_assets.training.learners.base import Objective

Layers: TypeAlias = tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
_SETTINGS, _LAYERS = "settings.json", "layers.npz"
_ARRAYS = ("inputs", "target", "held_out")


class WorkersFailed(RuntimeError):
    """Processes that fit a network failed or were killed; the message says which and why."""


@dataclass(frozen=True, eq=False)
class Job:
    """A fit, ready for any process.

    Attributes:
        inputs: float32 [n, f], scaled.
        target: float32 [n], scaled.
        held_out: bool [n], the rows that early stopping watches.
        objective: the learner's.
        settings: the learner's, complete.
        seed: decides every random choice.
    """

    inputs: NDArray[np.float32]
    target: NDArray[np.float32]
    held_out: NDArray[np.bool_]
    objective: Objective
    settings: Mapping[str, Any]
    seed: int

    def write(self, folder: Path) -> None:
        """Into a folder that the processes of this machine can read."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        document = {"task": self.objective, "settings": dict(self.settings), "seed": self.seed}
        (folder / _SETTINGS).write_text(json.dumps(document), encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> Job:
        """The arrays are memory-mapped: the processes of a machine share one copy."""
        document = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in _ARRAYS}
        return Job(**arrays, objective=document["task"], settings=document["settings"], seed=document["seed"])


Train: TypeAlias = Callable[[Job], Layers]
"""Fits a network: weights [out, in] and biases [out] of each layer, float64."""


def write_layers(layers: Layers, folder: Path) -> None:
    """What rank 0 leaves behind."""
    arrays: dict[str, Any] = {
        f"{name}{number:03d}": array
        for number, pair in enumerate(layers)
        for name, array in zip("wb", pair, strict=True)
    }
    np.savez(folder / _LAYERS, allow_pickle=False, **arrays)


def read_layers(folder: Path) -> Layers:
    """What rank 0 left behind."""
    with np.load(folder / _LAYERS) as stored:
        return tuple((stored[f"w{number:03d}"], stored[f"b{number:03d}"]) for number in range(len(stored.files) // 2))
