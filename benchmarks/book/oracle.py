"""What nobody can do better than on the book's table: a score made from the simulator's own hidden state.

Belongs here: the probability of fraud of a payment for someone who knows how the world was simulated, and lacks only what nobody can have
at the time of the payment. Does not belong here: models that learn (`models.py`, the declaration), the table (`comparison.py`).

The oracle knows every customer's spending profile and every rate of the simulator, and it knows of each terminal whether it is
compromised **if one of its outcomes since then is known**. It does not know of a compromise of which no outcome has arrived: of the
terminals without such an outcome some are compromised, and nothing that has happened tells which; what is left is that the chance
grows with the days since the newest known outcome. Of a card it knows what the amounts paid so far tell, by Bayes' rule over the fourteen
days on which it can have been stolen. So it knows more than any model can learn, and its metrics are bounds (up to chance: a ranking that
is the best one on average need not be so on one draw).

An outcome counts as known either exactly seven days after its payment (`exact`), or from the midnight at which its day's labels
arrive (`day`): the features' two readings of the delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.simulation.card_payments import (
    COMPROMISED_CUSTOMERS_PER_DAY,
    COMPROMISED_TERMINALS_PER_DAY,
    CUSTOMER_COMPROMISE_DAYS,
    LARGE_AMOUNT,
    STOLEN_CARD_FACTOR,
    STOLEN_CARD_RATIO,
    TERMINAL_COMPROMISE_DAYS,
    CardPayments,
    CardPaymentsSettings,
)

Rule = Literal["exact", "day"]
Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

RULES: Mapping[Rule, str] = {"exact": "outcomes older than 7 x 24 hours", "day": "outcomes known at midnight"}
MICROSECONDS_PER_DAY = 86_400_000_000
REDRAWN_RATIO = 0.02275013
"""Share of the normally distributed amounts that come out negative (two standard deviations below the mean) and are drawn again."""
LARGEST_EVIDENCE = 1e12


def oracle_scores(events: pl.DataFrame, settings: Mapping[str, Any], rule: Rule) -> Vector:
    """Probability of fraud of each event, for the oracle.

    Args:
        events: all payments of the world from its first day on, with the label `is_fraud`.
        settings: of the simulator.
        rule: when an outcome counts as known.

    Returns:
        float64 [n], in the order of the events.
    """
    world = CardPayments(CardPaymentsSettings.model_validate(settings))
    time = events["transaction_time"].dt.epoch("us").to_numpy()
    day = time // MICROSECONDS_PER_DAY - (world.settings.start - date(1970, 1, 1)).days
    amount = events["amount"].to_numpy()
    terminal = _of_terminals(world, events["terminal_id"].to_numpy(), time, day, rule)
    card = _of_cards(world, events["customer_id"].to_numpy(), time, day, amount, events["is_fraud"].to_numpy(), rule)
    return np.where(amount > LARGE_AMOUNT, 1.0, 1.0 - (1.0 - terminal) * (1.0 - card))


def _newest_known(entity: Integers, time: Integers, day: Integers, delay_days: int, rule: Rule) -> Integers:
    """Place of the newest event of the entity whose outcome is known at each event, -1 without one; all ordered by entity and time."""
    moment, reach = (time, delay_days * MICROSECONDS_PER_DAY) if rule == "exact" else (day, delay_days)
    longest = int(moment.max() - moment.min()) + reach + 2
    at = (entity - entity.min()) * longest + (moment - moment.min() + reach)
    position = np.searchsorted(at, at - reach, side="right") - 1
    return np.where((position >= 0) & (entity[np.maximum(position, 0)] == entity), position, -1)


def _of_terminals(world: CardPayments, terminal: Integers, time: Integers, day: Integers, rule: Rule) -> Vector:
    """Probability that the payment's terminal is compromised."""
    settings = world.settings
    begun = np.full((settings.terminals, int(day.max()) + 2), -1, dtype=np.int64)
    for today in range(begun.shape[1] - 1):
        compromised = world._compromised_terminals(today)
        before = begun[compromised, today - 1] if today else np.full(len(compromised), -1)
        begun[compromised, today] = np.where(before >= 0, before, today)
    order = np.lexsort((time, terminal))
    position, today = terminal[order], day[order]
    known = _newest_known(position, time[order], today, settings.label_delay_days, rule)
    newest = np.where(known >= 0, today[np.maximum(known, 0)], -1)
    rate = COMPROMISED_TERMINALS_PER_DAY / settings.terminals
    unseen = 1.0 - (1.0 - rate) ** np.minimum(today - newest, TERMINAL_COMPROMISE_DAYS)
    since = begun[position, today]
    result = np.empty(len(order))
    result[order] = np.where((since >= 0) & (newest >= since), 1.0, unseen)
    return result


def _of_cards(
    world: CardPayments,
    customer: Integers,
    time: Integers,
    day: Integers,
    amount: Vector,
    label: NDArray[Any],
    rule: Rule,
) -> Vector:
    """Probability that the payment was made with a stolen card."""
    import numba

    settings = world.settings
    mean = world._customers["mean_amount"][customer]
    ratio = _density(amount / STOLEN_CARD_FACTOR, mean) / STOLEN_CARD_FACTOR / (_density(amount, mean) + 1e-300)
    stolen = STOLEN_CARD_RATIO * np.minimum(ratio, LARGEST_EVIDENCE)
    message = np.where(label == 1, np.maximum(stolen, 1e-3), 1.0 - STOLEN_CARD_RATIO)
    order = np.lexsort((time, customer))
    known = _newest_known(customer[order], time[order], day[order], settings.label_delay_days, rule)
    rate = COMPROMISED_CUSTOMERS_PER_DAY / settings.customers
    result = np.empty(len(order))
    inputs = customer[order], day[order], stolen[order], message[order], known
    result[order] = numba.njit(_filter_cards)(*inputs, rate, CUSTOMER_COMPROMISE_DAYS, 1.0 - STOLEN_CARD_RATIO)
    return result


def _density(amount: Vector, mean: Vector) -> Vector:
    """Density of a genuine amount: normal with half the mean as deviation, negative ones drawn again between 0 and twice the mean."""
    spread = mean / 2.0
    normal = np.exp(-0.5 * ((amount - mean) / spread) ** 2) / (spread * np.sqrt(2.0 * np.pi))
    again: Vector = REDRAWN_RATIO / (2.0 * mean) * ((amount >= 0.0) & (amount < 2.0 * mean))
    return normal + again  # type: ignore[no-any-return]


def _filter_cards(
    customer: Any, day: Any, stolen: Any, message: Any, known: Any, rate: float, length_days: int, rest: float
) -> Any:
    """Bayes' rule over the day on which the card was stolen, for each payment in order of customer and time; compiled."""
    result = np.empty(len(day))
    for row in range(len(day)):
        evidence, total, before = 1.0, 0.0, row - 1
        for first in range(day[row], day[row] - length_days, -1):
            while before >= 0 and customer[before] == customer[row] and day[before] >= first:
                evidence *= message[before] if before <= known[row] else stolen[before] + rest
                evidence = min(evidence, 1e100)
                before -= 1
            total += rate * evidence
        misused = total * stolen[row]
        result[row] = misused / (misused + total * rest + 1.0 - length_days * rate) if misused > 0.0 else 0.0
    return result
