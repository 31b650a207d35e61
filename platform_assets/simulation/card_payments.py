"""Payment-card transactions with fraud: customers and terminals on a plane, three fraud scenarios, labels of their own.

Belongs here: the generation process and nothing else. Does not belong here: faults (`faults`), the moment at which
labels become readable (the lake applies the delay; `CardPayments.arrival_delay_days` only declares it) and features.

The process is written from its published description: Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine
Learning for Credit Card Fraud Detection - Practical Handbook", Université Libre de Bruxelles (ULB), 2022, chapter 3,
"Transaction data simulator".

Done differently, so that a day is a pure function of (settings, day), with no need of the days around it:

* The handbook multiplies `int(n / 3)` of the `n` transactions that the three customers compromised on one day make in
  their 14 days. Here each of these transactions is taken with probability one third: the same share, decided
  transaction by transaction.
* The handbook draws the terminals and the customers of a day from the same seed, and none on its last day. Here every
  purpose has a stream of random numbers of its own, and there is no last day.
* Transactions that share a second are ordered by customer, and a multiplied amount is rounded to cents again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from platform_assets.simulation.card_drift import DEFAULT_SIZES, PlantedDrift
from platform_assets.simulation.generators import GeneratorError
from platform_assets.simulation.reach import TerminalsInReach

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

PLANE_SIDE = 100.0
MEAN_AMOUNT_BOUNDS = (5.0, 100.0)
TRANSACTIONS_PER_DAY_BOUNDS = (0.0, 4.0)
SECONDS_PER_DAY = 86_400
TIME_OF_DAY_MEAN_SECONDS = 43_200.0
TIME_OF_DAY_STD_SECONDS = 20_000.0
TRANSACTION_IDS_PER_DAY = 10_000_000

LARGE_AMOUNT = 220.0
COMPROMISED_TERMINALS_PER_DAY = 2
TERMINAL_COMPROMISE_DAYS = 28
COMPROMISED_CUSTOMERS_PER_DAY = 3
CUSTOMER_COMPROMISE_DAYS = 14
STOLEN_CARD_RATIO = 1.0 / 3.0
STOLEN_CARD_FACTOR = 5.0

# One stream of random numbers per purpose: never renumber, or every data set made so far changes.
_CUSTOMERS, _TERMINALS, _TRANSACTIONS, _BAD_TERMINALS, _BAD_CUSTOMERS, _STOLEN_CARDS = range(1, 7)
_MORE_BAD_TERMINALS, _MORE_BAD_CUSTOMERS, _MOVED_FRAUDS = range(7, 10)

_EVENT_TIME = pl.Datetime("us", "UTC")
_MICROSECONDS_PER_SECOND = 1_000_000


class CardPaymentsSettings(BaseModel):
    """What one simulated world of card payments depends on. Equal settings give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, description="Seed of every random draw; another seed is another world.")
    customers: int = Field(
        default=5_000,
        ge=COMPROMISED_CUSTOMERS_PER_DAY,
        le=1_000_000,
        description="Number of card holders. The handbook uses 5,000.",
    )
    terminals: int = Field(
        default=10_000,
        ge=COMPROMISED_TERMINALS_PER_DAY,
        le=1_000_000,
        description="Number of payment terminals. The handbook uses 10,000.",
    )
    radius: float = Field(
        default=5.0,
        gt=0.0,
        allow_inf_nan=False,
        description="A customer pays only at terminals nearer than this, on a plane of side 100.",
    )
    start: date = Field(
        default=date(2018, 4, 1),
        description="First day with transactions (day 0). No terminal or card is compromised before it.",
    )
    label_delay_days: int = Field(
        default=7,
        ge=0,
        description="Days after the event day from which its labels are known.",
    )
    drift: PlantedDrift | None = Field(
        default=None, description="What changes in the world from a day on; nothing without it."
    )


@dataclass(frozen=True)
class _Day:
    """One day's transactions as parallel arrays, ordered by time; row i has the id `day_index * 10_000_000 + i`."""

    transaction_id: IntArray
    time_microseconds: IntArray
    customer_id: IntArray
    terminal_id: IntArray
    amount: FloatArray
    fraud_scenario: NDArray[np.int8]


class CardPayments:
    """The handbook's world of card payments, read one table and one range of days at a time.

    Tables:
        customers: `customer_id`, `x`, `y`, `mean_amount`, `std_amount`, `mean_transactions_per_day`.
        terminals: `terminal_id`, `x`, `y`.
        transactions: `transaction_id`, `transaction_time`, `customer_id`, `terminal_id`, `amount`.
        labels: `transaction_id`, `transaction_time`, `is_fraud` (0 or 1), `fraud_scenario` (0 for none, 1 to 3).
    """

    settings_type: ClassVar[type[CardPaymentsSettings]] = CardPaymentsSettings
    tables: ClassVar[tuple[str, ...]] = ("customers", "terminals", "transactions", "labels")
    drifts: ClassVar[tuple[str, ...]] = tuple(DEFAULT_SIZES)
    small_world: ClassVar[dict[str, int]] = {"customers": 1000, "terminals": 2000}

    def __init__(self, settings: CardPaymentsSettings) -> None:
        self.settings = settings

    def arrival_delay_days(self, table: str) -> int:
        """Days after the event day from which rows of `table` are known: the label delay for labels, otherwise 0."""
        self._refuse_unknown(table)
        return self.settings.label_delay_days if table == "labels" else 0

    def read(self, table: str, first_day: date | None, last_day: date | None) -> pl.DataFrame:
        """Rows of one table.

        Args:
            table: One of `tables`.
            first_day: First event day, inclusive; None means `settings.start`. Ignored for customers and terminals.
            last_day: Last event day, inclusive. Required for transactions and labels, which have no end.

        Returns:
            The columns listed on the class. Ids are Int64, times Datetime("us", "UTC"), numbers Float64, `is_fraud` and
            `fraud_scenario` Int8. Transactions and labels are ordered by (transaction_time, transaction_id). Days
            before `settings.start` have no rows.

        Raises:
            GeneratorError: If the table is unknown, or the range has no end or ends before it begins.
        """
        self._refuse_unknown(table)
        if table == "customers":
            return self._customers_table()
        if table == "terminals":
            return self._terminals_table()
        days = [self._day(index) for index in self._day_indices(table, first_day, last_day)]
        return _labels_table(days) if table == "labels" else _transactions_table(days)

    def _refuse_unknown(self, table: str) -> None:
        if table not in self.tables:
            raise GeneratorError(f"CardPayments has no table '{table}'; it has {', '.join(self.tables)}.")

    def _day_indices(self, table: str, first_day: date | None, last_day: date | None) -> range:
        start = self.settings.start
        if last_day is None:
            raise GeneratorError(f"CardPayments table '{table}' has no last day of its own: give last_day.")
        first = start if first_day is None else first_day
        if first_day is not None and last_day < first:
            raise GeneratorError(f"CardPayments table '{table}': last_day {last_day} lies before first_day {first}.")
        return range(max((first - start).days, 0), (last_day - start).days + 1)

    def _rng(self, purpose: int, day_index: int = 0) -> np.random.Generator:
        """The stream of one purpose on one day, independent of every other."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.settings.seed, purpose, day_index])))

    # The population: drawn once per instance.

    @cached_property
    def _customers(self) -> dict[str, FloatArray]:
        rng, n = self._rng(_CUSTOMERS), self.settings.customers
        x, y = rng.uniform(0.0, PLANE_SIDE, n), rng.uniform(0.0, PLANE_SIDE, n)
        mean_amount = rng.uniform(*MEAN_AMOUNT_BOUNDS, n)
        rate = rng.uniform(*TRANSACTIONS_PER_DAY_BOUNDS, n)
        return {
            "x": x,
            "y": y,
            "mean_amount": mean_amount,
            "std_amount": mean_amount / 2.0,
            "mean_transactions_per_day": rate,
        }

    @cached_property
    def _terminals(self) -> dict[str, FloatArray]:
        rng, n = self._rng(_TERMINALS), self.settings.terminals
        return {"x": rng.uniform(0.0, PLANE_SIDE, n), "y": rng.uniform(0.0, PLANE_SIDE, n)}

    @cached_property
    def _reach(self) -> TerminalsInReach:
        s = self.settings
        of = {"seed": s.seed, "customers": s.customers, "terminals": s.terminals, "radius": s.radius}
        return _reach_of(CardPaymentsSettings(**of))

    def _customers_table(self) -> pl.DataFrame:
        return pl.DataFrame({"customer_id": np.arange(self.settings.customers, dtype=np.int64), **self._customers})

    def _terminals_table(self) -> pl.DataFrame:
        return pl.DataFrame({"terminal_id": np.arange(self.settings.terminals, dtype=np.int64), **self._terminals})

    # One day.

    def _day(self, day_index: int) -> _Day:
        """All there is to know about the transactions of one day, from the settings and the day alone."""
        seconds, customer, terminal, amount = self._payments(day_index)
        order = np.argsort(seconds, kind="stable")
        seconds, customer, terminal, amount = seconds[order], customer[order], terminal[order], amount[order]
        drift = self._drift_of(day_index)
        if drift is not None:
            amount = drift.amounts(amount, LARGE_AMOUNT)
        amount, scenario = self._commit_fraud(day_index, customer, terminal, amount)
        if drift is not None:
            amount = drift.in_cents(amount, terminal / self.settings.terminals)
        midnight_seconds = ((self.settings.start - date(1970, 1, 1)).days + day_index) * SECONDS_PER_DAY
        return _Day(
            transaction_id=day_index * TRANSACTION_IDS_PER_DAY + np.arange(len(seconds), dtype=np.int64),
            time_microseconds=(midnight_seconds + seconds) * _MICROSECONDS_PER_SECOND,
            customer_id=customer,
            terminal_id=terminal,
            amount=amount,
            fraud_scenario=scenario,
        )

    def _payments(self, day_index: int) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        """Second of the day, customer, terminal and amount of each payment before any fraud, in order of customer."""
        rng, people, reach = self._rng(_TRANSACTIONS, day_index), self._customers, self._reach
        payments = rng.poisson(people["mean_transactions_per_day"])
        customer = np.repeat(np.arange(self.settings.customers, dtype=np.int64), payments)
        n = len(customer)
        seconds = rng.normal(TIME_OF_DAY_MEAN_SECONDS, TIME_OF_DAY_STD_SECONDS, n).astype(np.int64)
        mean = people["mean_amount"][customer]
        amount = rng.normal(mean, people["std_amount"][customer])
        amount = np.where(amount < 0.0, rng.uniform(0.0, 2.0 * mean), amount)
        choices = reach.counts[customer]
        place = (rng.random(n) * choices).astype(np.int64)
        kept = (seconds > 0) & (seconds < SECONDS_PER_DAY) & (choices > 0)
        terminal = reach.at(customer[kept], place[kept])
        return seconds[kept], customer[kept], terminal, np.round(amount[kept], 2)

    def _commit_fraud(
        self, day_index: int, customer: IntArray, terminal: IntArray, amount: FloatArray
    ) -> tuple[FloatArray, NDArray[np.int8]]:
        """Amounts after fraud, and each payment's scenario; later scenarios overwrite earlier ones, as published."""
        scenario = np.where(amount > LARGE_AMOUNT, 1, 0).astype(np.int8)
        scenario[np.isin(terminal, self._compromised_terminals(day_index))] = 2
        amount, rng = amount.copy(), self._rng(_STOLEN_CARDS, day_index)
        for stolen in self._compromised_customers(day_index):
            victims = np.flatnonzero(np.isin(customer, stolen))
            misused = victims[rng.random(len(victims)) < STOLEN_CARD_RATIO]
            amount[misused] = np.round(amount[misused] * STOLEN_CARD_FACTOR, 2)
            scenario[misused] = 3
        return amount, self._after_drift(day_index, terminal, scenario)

    def _compromised_terminals(self, day_index: int) -> IntArray:
        """Ids of the terminals compromised on a day: those drawn on it and on the 27 days before."""
        draws = range(max(day_index - TERMINAL_COMPROMISE_DAYS + 1, 0), day_index + 1)
        size, total = COMPROMISED_TERMINALS_PER_DAY, self.settings.terminals
        usual = [self._rng(_BAD_TERMINALS, day).choice(total, size, replace=False) for day in draws]
        return np.concatenate([*usual, *self._further(_MORE_BAD_TERMINALS, day_index, draws, size, total)])

    def _compromised_customers(self, day_index: int) -> list[IntArray]:
        """Ids of the customers compromised on a day, one array for each day of drawing: it and the 13 days before."""
        draws = range(max(day_index - CUSTOMER_COMPROMISE_DAYS + 1, 0), day_index + 1)
        size, total = COMPROMISED_CUSTOMERS_PER_DAY, self.settings.customers
        usual = [self._rng(_BAD_CUSTOMERS, day).choice(total, size, replace=False) for day in draws]
        return [*usual, *self._further(_MORE_BAD_CUSTOMERS, day_index, draws, size, total)]

    # A planted drift.

    def _drift_of(self, day_index: int) -> PlantedDrift | None:
        """The drift that is in force on a day."""
        drift = self.settings.drift
        return drift if drift is not None and day_index >= (drift.day - self.settings.start).days else None

    def _further(self, purpose: int, day_index: int, draws: range, usual: int, total: int) -> list[IntArray]:
        """What is compromised on a day beyond the usual, as though it had been drawn on the same days: the rate rises at once."""
        drift = self._drift_of(day_index)
        size = 0 if drift is None else min(drift.further_compromises(usual), total)
        return [self._rng(purpose, day).choice(total, size, replace=False) for day in draws] if size else []

    def _after_drift(self, day_index: int, terminal: IntArray, scenario: NDArray[np.int8]) -> NDArray[np.int8]:
        """Scenarios after frauds moved from cards to terminals, which join in one order, the same on every day."""
        drift = self._drift_of(day_index)
        if drift is None or drift.kind != "concept":
            return scenario
        chance = self._rng(_MOVED_FRAUDS, day_index).random(len(scenario))
        order = self._rng(_MORE_BAD_TERMINALS).permutation(self.settings.terminals)
        return drift.moved(scenario, chance, order[terminal])


@lru_cache(maxsize=2)
def _reach_of(world: CardPaymentsSettings) -> TerminalsInReach:
    """Terminals within reach of each customer: a world is read day by day, each time by a generator of its own."""
    population = CardPayments(world)
    return TerminalsInReach(population._customers, population._terminals, world.radius, PLANE_SIDE)


def _column(days: list[_Day], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    arrays = [getattr(day, name) for day in days]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)


def _keys(days: list[_Day]) -> dict[str, pl.Series]:
    """The two columns that transactions and labels share."""
    times = pl.Series("transaction_time", _column(days, "time_microseconds", np.int64))
    return {
        "transaction_id": pl.Series("transaction_id", _column(days, "transaction_id", np.int64)),
        "transaction_time": times.cast(_EVENT_TIME),
    }


def _transactions_table(days: list[_Day]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            **_keys(days),
            "customer_id": _column(days, "customer_id", np.int64),
            "terminal_id": _column(days, "terminal_id", np.int64),
            "amount": _column(days, "amount", np.float64),
        }
    )


def _labels_table(days: list[_Day]) -> pl.DataFrame:
    scenario = _column(days, "fraud_scenario", np.int8)
    return pl.DataFrame({**_keys(days), "is_fraud": (scenario > 0).astype(np.int8), "fraud_scenario": scenario})
