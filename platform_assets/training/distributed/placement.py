"""Where an installation fits and searches: this machine, or a Ray cluster.

Belongs here: turning an installation's settings into a learner that is fitted there and an engine that searches there. Does not belong
here: reading settings (`resources`), fitting, searching.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from platform_assets.training.learners.base import Learner
from platform_assets.training.tuning.engines import engine_named
from platform_assets.training.tuning.trials import Engine

_WORKERS = "workers"


def placed(learner: Learner, ray_address: str | None = None, workers: int | None = None) -> Learner:
    """The learner as this installation fits it; one that has no `workers` setting is left as it is.

    Args:
        learner: from `learners.make_learner`.
        ray_address: the cluster that more than one worker fits on; None for processes of this machine.
        workers: in place of the learner's own; None leaves them. The model's settings say how many there were.
    """
    if _WORKERS not in learner.settings:
        return learner
    if workers is not None:
        learner = replace(learner, settings={**learner.settings, _WORKERS: workers})
    if ray_address is None or learner.settings[_WORKERS] == 1:
        return learner
    from platform_assets.training.distributed.ray_train import RayTrain

    fit: Any = learner.kind.fit  # of a kind with `workers`, which takes who trains together
    fit = partial(fit, train_together=RayTrain(ray_address))
    return replace(learner, kind=replace(learner.kind, fit=fit))


def engine(name: str, learner: Learner, ray_address: str | None = None) -> Engine:
    """The engine that searches for this learner's settings: on the cluster where there is one, else the declared engine here.

    Args:
        name: the declared engine.
        learner: a trial reserves CPUs for its `threads` and `workers`.
        ray_address: the cluster; None for this machine.
    """
    if ray_address is None:
        return engine_named(name)
    from platform_assets.training.distributed.ray_tune import RayTuneEngine

    threads, workers = (int(str(learner.settings.get(setting) or 1)) for setting in ("threads", _WORKERS))
    return RayTuneEngine(ray_address, cpus_per_trial=float(threads * workers))
