"""What could cost less: each with what it would save in a month, and what carries it out.

Belongs here: judging figures. Does not belong here: reading them (`pipelines/advise_cost.py`), or changing anything.

A piece of advice is given only where its figures were measured, and its saving is what they say at the sheet's prices: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from platform_assets.monitoring.cost.price_sheet import HOURS_OF_A_MONTH, PriceSheet

OLD_VERSIONS_RATIO = 2.0
"""Stored bytes over those of the latest version, from which on upkeep is worth asking for."""
IDLE_BUSY_RATIO = 0.05
"""Of a core that a service's processes use, below which one process less would do."""
FRUITLESS_TRAININGS = 4
"""Trainings one after the other none of whose models took over."""
USED_RATIO = 0.5
"""Of what a step reserves on a cluster, below which it can ask for less."""
CORES_TIMES, MEMORY_TIMES = 1.5, 2.0
"""How many times the mean of what was measured a step should ask for: peaks lie above the mean."""
LEAST_CORES, LEAST_GIGABYTES = 0.25, 0.5
"""Smallest sizes that are advised, and the steps between sizes."""
LEAST_SAVING = 0.001
"""Less than this a month is not worth anybody's time, in the sheet's currency."""


@dataclass(frozen=True)
class Advice:
    """Something that would cost less.

    Attributes:
        what: one sentence, with the figures that it stands on.
        saved_a_month: in the sheet's currency.
        command: what carries it out: a command, or the field to change.
    """

    what: str
    saved_a_month: float
    command: str


@dataclass(frozen=True)
class ServiceFigures:
    """A service over the time that it was measured.

    Attributes:
        processes: that answer.
        least_processes: that availability needs: two, where the declaration does not say one.
        busy_ratio: cores used, by all processes together.
        gigabytes: of memory of each.
    """

    processes: int
    least_processes: int
    busy_ratio: float
    gigabytes: float


@dataclass(frozen=True)
class TrainingFigures:
    """Trainings of a use case.

    Attributes:
        without_a_champion: newest trainings one after the other whose models did not take over.
        money: of one, in the middle.
        every_days: how often it is trained.
    """

    without_a_champion: int
    money: float
    every_days: int


@dataclass(frozen=True)
class LayerFigures:
    """The steps of a layer over a month, and what they ask for on a cluster.

    Attributes:
        layer: theirs.
        hours: that they ran, together.
        cores: that they used, on average.
        gigabytes: of memory that they held, on average.
        asked_cores: of each, as declared.
        asked_gigabytes: likewise.
        may_be_evicted: whether they are declared to run on spot nodes already.
    """

    layer: str
    hours: float
    cores: float
    gigabytes: float
    asked_cores: float
    asked_gigabytes: float
    may_be_evicted: bool


@dataclass(frozen=True)
class ValueFigures:
    """What a use case costs, and what its decisions bring.

    Attributes:
        cost_a_month: in the sheet's currency.
        brought_a_month: by the declared measure in that currency, the upper end of its interval.
        measure: its name.
    """

    cost_a_month: float
    brought_a_month: float
    measure: str


@dataclass(frozen=True)
class AdviceFigures:
    """What is known of a use case; what was not measured is empty or None, and nothing is advised on it.

    Attributes:
        stored: bytes of all versions and of the latest one, by `layer/table`.
        service: of the processes that answer.
        training: of trainings.
        layers: steps by layer, where they reserve what they ask for: on a cluster.
        unused_views: money a month of views of which the champion uses no feature, by name.
        value: cost against what it brings, where a measure says that in the sheet's currency.
    """

    stored: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    service: ServiceFigures | None = None
    training: TrainingFigures | None = None
    layers: Sequence[LayerFigures] = ()
    unused_views: Mapping[str, float] = field(default_factory=dict)
    value: ValueFigures | None = None


def advise(use_case: str, sheet: PriceSheet, figures: AdviceFigures) -> list[Advice]:
    """Everything that would save something, the largest saving first.

    Args:
        use_case: its name.
        sheet: the prices.
        figures: what was measured.
    """
    found = [
        *_old_versions(use_case, sheet, figures.stored),
        *_fewer_processes(use_case, sheet, figures.service),
        *_fewer_trainings(use_case, figures.training),
        *_smaller_requests(use_case, sheet, figures.layers),
        *_spot_nodes(use_case, sheet, figures.layers),
        *_unused_views(use_case, figures.unused_views),
        *_costs_more_than_it_brings(use_case, sheet, figures.value),
    ]
    return sorted((one for one in found if one.saved_a_month >= LEAST_SAVING), key=lambda one: -one.saved_a_month)


def _old_versions(use_case: str, sheet: PriceSheet, stored: Mapping[str, tuple[int, int]]) -> Iterator[Advice]:
    crowded = {name: both for name, both in stored.items() if both[0] > OLD_VERSIONS_RATIO * both[1]}
    if not crowded:
        return
    saved = sum(whole - latest for whole, latest in crowded.values()) / 1e9
    worst = max(crowded, key=lambda name: crowded[name][0] - crowded[name][1])
    yield Advice(
        f"{len(crowded)} tables hold {saved:,.2f} GB of older versions, most of it {worst}; those that nothing pins can go",
        saved * sheet.gigabyte_month_stored,
        f"dg launch --job {use_case}__maintain",
    )


def _fewer_processes(use_case: str, sheet: PriceSheet, service: ServiceFigures | None) -> Iterator[Advice]:
    if service is None or service.processes <= service.least_processes or service.busy_ratio >= IDLE_BUSY_RATIO:
        return
    spare = service.processes - service.least_processes
    yield Advice(
        f"{service.processes} processes use {100 * service.busy_ratio:.1f} % of a core together; {service.least_processes} would do",
        spare * service.gigabytes * sheet.gigabyte_hour * HOURS_OF_A_MONTH,
        f"serving.processes: {service.least_processes} in the defs.yaml of {use_case}",
    )


def _fewer_trainings(use_case: str, training: TrainingFigures | None) -> Iterator[Advice]:
    if training is None or training.without_a_champion < FRUITLESS_TRAININGS:
        return
    a_month = HOURS_OF_A_MONTH / 24 / training.every_days * training.money
    yield Advice(
        f"the last {training.without_a_champion} trainings changed nothing: no model took over, and drift asks for one by itself",
        a_month / 2,
        f"training.every_days: {2 * training.every_days} in the defs.yaml of {use_case}",
    )


def _smaller_requests(use_case: str, sheet: PriceSheet, layers: Sequence[LayerFigures]) -> Iterator[Advice]:
    """What steps reserve beyond their need is paid for on a cluster, whoever uses it."""
    for one in layers:
        cores = _size(CORES_TIMES * one.cores, LEAST_CORES)
        gigabytes = _size(MEMORY_TIMES * one.gigabytes, LEAST_GIGABYTES)
        fewer = one.asked_cores - cores if cores <= USED_RATIO * one.asked_cores else 0.0
        less = one.asked_gigabytes - gigabytes if gigabytes <= USED_RATIO * one.asked_gigabytes else 0.0
        if not fewer and not less:
            continue
        ask = [f"cpus: {cores:g}"] * bool(fewer) + [f"memory_gigabytes: {gigabytes:g}"] * bool(less)
        yield Advice(
            f"steps of {one.layer} use {one.cores:.2f} cores and {one.gigabytes:.2f} GB on average, and reserve {one.asked_cores:g} and "
            f"{one.asked_gigabytes:g} GB",
            one.hours * (fewer * sheet.core_hour + less * sheet.gigabyte_hour),
            f"compute: {{{one.layer}: {{{', '.join(ask)}}}}} in the defs.yaml of {use_case}",
        )


def _spot_nodes(use_case: str, sheet: PriceSheet, layers: Sequence[LayerFigures]) -> Iterator[Advice]:
    """Steps begin again when their node is taken away; what answers is left where it is."""
    regular = [one for one in layers if not one.may_be_evicted]
    hours = sum(one.hours for one in regular)
    paid = sum(
        one.hours * (one.asked_cores * sheet.core_hour + one.asked_gigabytes * sheet.gigabyte_hour) for one in regular
    )
    if paid and sheet.spot_ratio < 1.0:
        names = ", ".join(one.layer for one in regular)
        yield Advice(
            f"{hours:,.1f} hours a month of steps ({names}) run on regular nodes; a spot node costs {100 * sheet.spot_ratio:.0f} % of one",
            paid * (1.0 - sheet.spot_ratio),
            f"compute: {{default: {{spot: true}}}} in the defs.yaml of {use_case}",
        )


def _unused_views(use_case: str, views: Mapping[str, float]) -> Iterator[Advice]:
    for view, money in views.items():
        yield Advice(
            f"the champion uses no feature of the view {view}: shuffling them changes nothing",
            money,
            f"take the view {view} out of `features` in the defs.yaml of {use_case}, then `platform-assets change check`",
        )


def _costs_more_than_it_brings(use_case: str, sheet: PriceSheet, value: ValueFigures | None) -> Iterator[Advice]:
    if value is None or value.cost_a_month <= value.brought_a_month:
        return
    yield Advice(
        f"it costs {value.cost_a_month:,.3f} {sheet.currency} a month, and brings {value.brought_a_month:,.3f} at most by {value.measure}",
        value.cost_a_month - max(0.0, value.brought_a_month),
        f"take the folder of {use_case} out of the use cases, once nobody needs its answers",
    )


def _size(wanted: float, step: float) -> float:
    """The smallest size that is at least as large as wanted."""
    return max(step, ceil(wanted / step - 1e-9) * step)
