"""The training loop of a small feed-forward network, in torch.

Belongs here: the network, its loss, and passes over the rows with early stopping. Does not belong here: the learner (`learners/neural`),
the processes that share the loop (`group`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.network.group import Group
from platform_assets.training.network.job import Job, Layers

Matrix: TypeAlias = NDArray[np.float64]
Vector: TypeAlias = NDArray[np.float64]

KNOWN_VALUES, POSITIVES_WEIGH, CLASSES_WEIGH = "known_values", "positives_weigh", "classes_weigh"
"""What a job's settings say beside the learner's own: values of each code, and how much a positive row, or one of each class, weighs."""


def train(job: Job, group: Group) -> Layers:
    """The training loop of one of the processes in `group`; all of them return the same layers.

    Torch's settings and random numbers are left as they were.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(job.settings["threads"])
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(job.seed)
            return _train(job, group)
    finally:
        torch.set_num_threads(threads)


def _train(job: Job, group: Group) -> Layers:
    """Passes over the rows; the best round's layers as float64 arrays."""
    import torch

    settings, inputs, target = job.settings, torch.from_numpy(job.inputs), torch.from_numpy(job.target)
    network = _network(inputs.shape[1], settings, group)
    model = group.parallel(network)
    sum_of_losses = _loss(job)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    watched = bool(job.held_out.any()) and not bool(job.held_out.all())
    rows = torch.from_numpy(np.flatnonzero(~job.held_out) if watched else np.arange(len(target)))
    seen = torch.from_numpy(np.flatnonzero(job.held_out)) if watched else rows
    best_loss, best, waited = float("inf"), _layers(network), 0
    for _ in range(settings["max_epochs"]):
        model.train()
        for batch in rows[torch.randperm(len(rows))].split(settings["batch_size"]):
            optimizer.zero_grad()
            mine = group.share(batch)
            loss = sum_of_losses(model(inputs[mine]), target[mine])
            (loss / (len(batch) / group.workers)).backward()
            optimizer.step()
        model.eval()
        mine = group.share(seen)
        with torch.no_grad():
            loss = group.total(sum_of_losses(network(inputs[mine]), target[mine])) / len(seen)
        if loss < best_loss:
            best_loss, best, waited = loss, _layers(network), 0
        else:
            waited += 1
        if waited >= settings["patience"]:
            break
    return best


def _loss(job: Job) -> Any:
    """The sum over rows of the cross-entropy, with the declared weights, or of the squared error: from outputs [n, k] and labels [n]."""
    import torch

    if job.objective == "multiclass":
        of_class = torch.nn.CrossEntropyLoss(reduction="sum", weight=torch.tensor(job.settings[CLASSES_WEIGH]))
        return lambda output, target: of_class(output, target.long())
    weight = float(job.settings.get(POSITIVES_WEIGH, 1.0))
    of_one = (
        torch.nn.BCEWithLogitsLoss(reduction="sum", pos_weight=None if weight == 1.0 else torch.tensor(weight))
        if job.objective == "binary"
        else torch.nn.MSELoss(reduction="sum")
    )
    return lambda output, target: of_one(output.squeeze(1), target)


def _network(width: int, settings: Mapping[str, Any], group: Group) -> Any:
    """Embeddings of the codes, which are the last inputs; linear layers with ReLU and dropout between them; one output, or one
    for each of more than two classes."""
    import torch

    known = settings.get(KNOWN_VALUES, [])
    if not known:
        return _linear_layers(width, settings, group)
    amounts = width - len(known)
    sizes = [min(settings["embedding_size"], count) for count in known]

    class Embedded(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            tables = [torch.nn.Embedding(count + 1, size) for count, size in zip(known, sizes, strict=True)]
            self.tables = torch.nn.ModuleList(tables)
            self.layers = _linear_layers(amounts + sum(sizes), settings, group)

        def forward(self, inputs: Any) -> Any:
            codes = inputs[:, amounts:].long()
            embedded = [table(codes[:, number]) for number, table in enumerate(self.tables)]
            return self.layers(torch.cat([inputs[:, :amounts], *embedded], dim=1))

    return Embedded()


def _linear_layers(width: int, settings: Mapping[str, Any], group: Group) -> Any:
    """Linear layers with ReLU and dropout between them, and one output for what is predicted."""
    import torch

    layers: list[Any] = []
    for units in settings["hidden_units"]:
        layers += [torch.nn.Linear(width, units), torch.nn.ReLU(), group.dropout(settings["dropout"])]
        width = units
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, len(settings.get(CLASSES_WEIGH, (1.0,)))))


def _layers(network: Any) -> tuple[tuple[Matrix, Vector], ...]:
    """A copy of the embeddings, with no biases, then of the weights and biases of the linear layers."""
    tables = [
        (table.weight.detach().numpy().astype(np.float64), np.empty(0)) for table in getattr(network, "tables", ())
    ]
    linear = [
        (layer.weight.detach().numpy().astype(np.float64), layer.bias.detach().numpy().astype(np.float64))
        for layer in getattr(network, "layers", network)
        if hasattr(layer, "weight")
    ]
    return (*tables, *linear)
