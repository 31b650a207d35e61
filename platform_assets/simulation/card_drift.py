"""How a simulated world of card payments changes from a day on, so that what watches a model has something to notice.

Belongs here: what may be planted, and what it does to a day's payments. Does not belong here: the world itself (`card_payments.py`), faulty
deliveries (`faults.py`), or noticing anything.

Each kind changes one thing and leaves the others as they are:

* `covariate`: customers pay larger amounts, while the same payments are fraudulent as before: P(x) moves, P(y | x) above all stays.
* `label`: more terminals and cards are compromised: P(y) moves.
* `concept`: large amounts are the customers' own from now on, and thieves take over more terminals instead: P(y | x) moves, P(x) stays.
* `upstream`: part of the terminals report amounts in cents: nothing in the world moves, the data is wrong.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

DriftKind = Literal["covariate", "label", "concept", "upstream"]

TYPICAL_AMOUNT = 50.0
CENTS = 100.0
DEFAULT_SIZES: dict[DriftKind, float] = {"covariate": 1.8, "label": 2.5, "concept": 1.0, "upstream": 0.3}
_LARGEST_SHARE = 1.0


class PlantedDrift(BaseModel):
    """What changes in a world of card payments, from which day on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: DriftKind = Field(description="What changes.")
    day: date = Field(description="First day on which the world is another one.")
    size: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="covariate: how many times its amount a payment of 50 is, at most 4 (default 1.8); label: how many times as many "
        "terminals and cards are compromised (2.5); concept: share of the frauds with stolen cards that are genuine from now on (1); "
        "upstream: share of the terminals that report cents (0.3).",
    )

    @model_validator(mode="after")
    def _size_is_possible(self) -> PlantedDrift:
        most = {"covariate": 4.0, "label": 20.0, "concept": _LARGEST_SHARE, "upstream": _LARGEST_SHARE}[self.kind]
        if self.amount_of_change > most:
            raise ValueError(f"size of {self.kind} drift is at most {most:g}, got {self.amount_of_change:g}")
        return self

    @property
    def amount_of_change(self) -> float:
        """The size, or the kind's default."""
        return DEFAULT_SIZES[self.kind] if self.size is None else self.size

    def amounts(self, amount: NDArray[np.float64], large_amount: float) -> NDArray[np.float64]:
        """Genuine amounts after the change, rounded to cents.

        Amounts up to `large_amount` stay below it, and those above stay as they are, so that the same payments count as large as before.

        Args:
            amount: float64 [n], in euros.
            large_amount: above it a payment is fraudulent by itself.
        """
        if self.kind != "covariate":
            return amount
        exponent = 1.0 - math.log(self.amount_of_change) / math.log(large_amount / TYPICAL_AMOUNT)
        raised = large_amount * (np.clip(amount, 0.0, large_amount) / large_amount) ** exponent
        return np.where(amount > large_amount, amount, np.minimum(np.round(raised, 2), large_amount))

    def further_compromises(self, usual: int) -> int:
        """How many more terminals, or cards, than usual are compromised on a day because the base rate rose."""
        return round((self.amount_of_change - 1.0) * usual) if self.kind == "label" else 0

    def moved(
        self, scenario: NDArray[np.int8], chance: NDArray[np.float64], place: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Scenarios after frauds with cards became genuine, and as many other payments fraudulent by their terminal.

        Args:
            scenario: int8 [n], 0 for genuine, 1 and 3 for what its amount shows, 2 for a compromised terminal.
            chance: float64 [n], uniform draws.
            place: int64 [n], where each payment's terminal stands in the order in which terminals are taken over.
        """
        moved = np.isin(scenario, (1, 3)) & (chance < self.amount_of_change)
        after = np.where(moved, 0, scenario).astype(np.int8)
        candidates = np.flatnonzero(scenario == 0)
        after[candidates[np.argsort(place[candidates], kind="stable")][: int(moved.sum())]] = 2
        return after

    def in_cents(self, amount: NDArray[np.float64], terminal_share: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is reported of amounts.

        Args:
            amount: float64 [n], in euros.
            terminal_share: float64 [n], where each payment's terminal stands among all, from 0 to 1.
        """
        if self.kind != "upstream":
            return amount
        return np.where(terminal_share < self.amount_of_change, np.round(amount * CENTS, 2), amount)
