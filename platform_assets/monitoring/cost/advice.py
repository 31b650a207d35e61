"""What could cost less: each with what it would save in a month, and what carries it out.

Belongs here: judging figures. Does not belong here: reading them (`pipelines/advise_cost.py`), or changing anything.

A piece of advice is given only where its figures were measured, and its saving is what they say at the sheet's prices: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from platform_assets.monitoring.cost.price_sheet import HOURS_OF_A_MONTH, PriceSheet

OLD_VERSIONS_RATIO = 2.0
"""Stored bytes over those of the latest version, from which on upkeep is worth asking for."""
IDLE_BUSY_RATIO = 0.05
"""Of a core that a service's processes use, below which one process less would do."""
FRUITLESS_TRAININGS = 4
"""Trainings one after the other none of whose models took over."""
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


def advise(
    use_case: str,
    sheet: PriceSheet,
    stored: Mapping[str, tuple[int, int]],
    service: ServiceFigures | None,
    training: TrainingFigures | None,
) -> list[Advice]:
    """Everything that would save something, the largest saving first.

    Args:
        use_case: its name.
        sheet: the prices.
        stored: bytes of all versions and of the latest one, by `layer/table`.
        service: None without a service that was measured.
        training: None without a training that was measured.
    """
    found = [
        *_old_versions(use_case, sheet, stored),
        *_fewer_processes(use_case, sheet, service),
        *_fewer_trainings(use_case, training),
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
