"""Retention: how long old versions of stored tables stay readable, and which ones are held longer.

Belongs here: what a team declares about keeping. Does not belong here: which versions models pin (`registry/pins.py`),
or removing files (`lake/maintenance.py`).
"""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from platform_assets.declaration.base import Declaration


class Hold(Declaration):
    """A version of a table that must stay readable whatever its age, with the person who answers for it."""

    table: str = Field(
        pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$", description="The table, as `layer/table`, such as `clean/labels`."
    )
    version: int = Field(ge=0, description="Its Delta version; `platform-assets versions` lists them.")
    why: str = Field(min_length=1, description="What the version is needed for.")
    who: str = Field(min_length=1, description="Who asked for it.")
    until: date | None = Field(default=None, description="Last day of the hold; absent means until it is taken out.")

    def is_in_force(self, today: date) -> bool:
        """Whether the hold still counts on that day."""
        return self.until is None or today <= self.until


class Retention(Declaration):
    """How long old versions stay readable. Versions that a model or a training set was made from always do."""

    keep_days: int = Field(
        default=30,
        ge=0,
        description="A version stays readable for this many days after it was replaced. With 0, maintenance may take files "
        "away from under a read that began before it: only when nothing else runs.",
    )
    keep_run_logs_days: int = Field(
        default=60,
        ge=7,
        description="Event logs and outputs of a run stay for this many days after it was made. What was materialized and checked stays "
        "known. Logs in PostgreSQL are not removed, outputs are.",
    )
    keep_reports_days: int = Field(
        default=60, ge=1, description="Drift reports stay for this many days before the newest one."
    )
    holds: tuple[Hold, ...] = Field(default=(), description="Versions to keep in any case.")

    @model_validator(mode="after")
    def _refuse_repeated_holds(self) -> Self:
        named = [(hold.table, hold.version) for hold in self.holds]
        repeated = sorted({name for name in named if named.count(name) > 1})
        if repeated:
            listed = ", ".join(f"{table} version {version}" for table, version in repeated)
            raise ValueError(f"is held more than once: {listed}; keep one hold with all its reasons")
        return self
