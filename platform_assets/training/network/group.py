"""The processes that fit one network together, as the training loop sees them.

Belongs here: how a batch is shared out and what is summed over the processes. Does not belong here: starting processes
(`torchrun`, `ray_train`), the loop itself (`learners.neural`).

Every process draws the same random numbers: the same order of rows, the same units to leave out. It works on its share of each
batch, and the gradients are added up, so that a step is the step that one process would have made on the whole batch. What
differs is the order in which float32 numbers are added, and with it the last digits.
"""

from __future__ import annotations

from typing import Any, Protocol


class Group(Protocol):
    """The processes that fit one network."""

    @property
    def workers(self) -> int:
        """How many there are."""
        ...

    def parallel(self, network: Any) -> Any:
        """The network with gradients that are averaged over the processes."""
        ...

    def dropout(self, ratio: float) -> Any:
        """A layer that leaves out the units that one process would leave out of the whole batch."""
        ...

    def share(self, batch: Any) -> Any:
        """This process's part of a batch (int64 [n] row numbers), in the same order; may be empty."""
        ...

    def total(self, value: Any) -> float:
        """The sum of a value over the processes, the same in each of them."""
        ...


class Alone:
    """One process: it takes every batch whole."""

    workers = 1

    def parallel(self, network: Any) -> Any:
        """The network itself."""
        return network

    def dropout(self, ratio: float) -> Any:
        """Torch's own."""
        import torch

        return torch.nn.Dropout(ratio)

    def share(self, batch: Any) -> Any:
        """All of it."""
        return batch

    def total(self, value: Any) -> float:
        """The value."""
        return float(value)


class ProcessGroup:
    """The processes of torch's default process group, which exists already."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank: int = dist.get_rank()
        self.workers: int = dist.get_world_size()
        self._rows_in_batch, self._part = 0, slice(0)

    def parallel(self, network: Any) -> Any:
        """Torch's DistributedDataParallel: every process begins with rank 0's weights."""
        import torch

        return torch.nn.parallel.DistributedDataParallel(network)

    def dropout(self, ratio: float) -> Any:
        """Draws for the whole batch and keeps what belongs to this process's rows."""
        import torch

        class SharedDropout(torch.nn.Module):  # type: ignore[misc]
            def forward(layer, hidden: Any) -> Any:
                if not layer.training or ratio == 0.0:
                    return hidden
                whole = torch.empty((self._rows_in_batch, hidden.shape[1])).bernoulli_(1.0 - ratio).div_(1.0 - ratio)
                return hidden * whole[self._part]

        return SharedDropout()

    def share(self, batch: Any) -> Any:
        """One of as many consecutive parts as there are processes; their lengths differ by one row at most."""
        self._rows_in_batch = len(batch)
        self._part = part(len(batch), self.rank, self.workers)
        return batch[self._part]

    def total(self, value: Any) -> float:
        """Added up in float64."""
        import torch
        import torch.distributed as dist

        summed = torch.as_tensor(value, dtype=torch.float64).clone()
        dist.all_reduce(summed)
        return float(summed)


def part(rows: int, rank: int, workers: int) -> slice:
    """The rank's part of `rows` rows: consecutive, complete, without overlap, lengths that differ by one at most."""
    return slice(rows * rank // workers, rows * (rank + 1) // workers)
