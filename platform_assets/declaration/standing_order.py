"""A standing order to the services of a use case: what their answers are replaced by until a person lifts it.

Belongs here: the file that whoever watches writes and services read, beside the prediction log that both have. Does not belong here: when
one is given (`monitoring/degradation.py`), or what a service does with it (`serving/standing_order.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

STANDING_ORDER = "standing_order.json"


class StandingOrder(BaseModel):
    """What answers are replaced by, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    then: Literal["review", "rule", "refuse"] = Field(description="What a request gets.")
    rule: str = Field(default="", description="Of `rule`: the condition over features that decides.")
    cause: str = Field(description="What it was given for: once lifted, the same cause gives none again.")
    why: str = Field(description="One sentence for callers and people.")
    tell: str = Field(default="", description="Who has to know.")
    since: str = Field(description="The day as of which it was given.")
    lifted_by: str = Field(default="", description="Who lifted it; empty while it is in force.")
    lifted_because: str = Field(default="", description="Why it was lifted.")

    @property
    def is_in_force(self) -> bool:
        """Whether nobody has lifted it."""
        return not self.lifted_by


def read_order(log_folder: Path) -> StandingOrder | None:
    """The order of a use case's services; None where there is none.

    Raises:
        ValueError: the file is there and is no order; the message names it.
    """
    path = log_folder / STANDING_ORDER
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return StandingOrder.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{path} is no standing order: {error}. Give it again, or remove the file") from error


def write_order(log_folder: Path, order: StandingOrder) -> None:
    """Give an order, in place of an earlier one; services notice within a second."""
    log_folder.mkdir(parents=True, exist_ok=True)
    beside = log_folder / f"{STANDING_ORDER}.{os.getpid()}"
    beside.write_text(order.model_dump_json(indent=1) + "\n", encoding="utf-8")
    beside.replace(log_folder / STANDING_ORDER)
