"""Fitting a network by several processes of a Ray cluster.

Belongs here: handing a job to Ray Train and taking the result. Does not belong here: what the processes do
(`learners.neural`, `group`), one machine (`torchrun`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from platform_assets.training.distributed.cluster import ROOM_SECONDS, ClusterError, cluster, wait_for_room
from platform_assets.training.learners.base import TrainingError
from platform_assets.training.network import torchrun
from platform_assets.training.network.job import Job, Layers

PEER_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class RayTrain:
    """Fits on the cluster at `address`.

    Attributes:
        address: see `cluster.cluster`.
        retries: how often a fit begins again when a worker or its machine fails; the result is the same.
        room_seconds: how long the cluster may take to find room.
    """

    address: str
    retries: int = 2
    room_seconds: float = ROOM_SECONDS

    def __call__(self, job: Job) -> Layers:
        """Fit with as many workers as the learner's `workers`, each with as many CPUs as its `threads`.

        Raises:
            TrainingError: the cluster cannot be used, or workers failed more often than they may.
        """
        try:
            with cluster(self.address) as ray:
                if ray.get_runtime_context().get_actor_id() is not None:
                    # A trial of a search: its machine is on the cluster, and has the trial's CPUs reserved for it.
                    return torchrun.train(job)
                return self._fit(ray, job)
        except ClusterError as error:
            raise TrainingError(f"learner 'torch_mlp': {error}") from error

    def _fit(self, ray: Any, job: Job) -> Layers:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        workers, each = int(job.settings["workers"]), {"CPU": float(job.settings["threads"])}
        wait_for_room(ray, [each] * workers, f"fitting with {workers} workers", self.room_seconds)
        shared = ray.put(replace(job, settings=dict(job.settings)))
        with tempfile.TemporaryDirectory(prefix="platform-assets-fit-") as scratch:
            trainer = TorchTrainer(
                work,
                train_loop_config={"job": [shared]},
                scaling_config=ScalingConfig(
                    num_workers=workers, resources_per_worker=each, placement_strategy="SPREAD"
                ),
                torch_config=TorchConfig(backend="gloo", timeout_s=PEER_TIMEOUT_SECONDS),
                run_config=RunConfig(
                    name="fit", storage_path=scratch, failure_config=FailureConfig(max_failures=self.retries)
                ),
            )
            try:
                layers: Layers = trainer.fit().return_value
            except TrainingFailedError as error:
                raise TrainingError(
                    f"learner 'torch_mlp' with {workers} workers on the Ray cluster, begun {self.retries + 1} times: {_last_line(error)}"
                ) from error
        return layers


def work(config: Mapping[str, Any]) -> Layers:
    """What each worker does; Ray returns what rank 0 returns."""
    import warnings

    import ray

    from platform_assets.training.network.group import ProcessGroup
    from platform_assets.training.network.loop import train

    job: Job = ray.get(config["job"][0])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")  # The rows lie in the shared object store.
        return train(job, ProcessGroup())


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
