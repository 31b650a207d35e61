"""Budgets: how much money a search, a run and a month may take.

Belongs here: what a team declares. Does not belong here: prices (`monitoring/cost/price_sheet.py`), what was spent, and stopping
(`training/tuning`, `pipelines/budgets.py`).
"""

from typing import Self

from pydantic import Field, model_validator

from platform_assets.declaration.base import Declaration


class Budget(Declaration):
    """Most money, in the currency of the price sheet that the installation names."""

    currency: str = Field(
        default="EUR",
        pattern="^[A-Z]{3}$",
        description="Of all amounts. A price sheet in another one is refused: nothing is converted.",
    )
    per_search: float | None = Field(
        default=None,
        gt=0,
        description="Most for the search of one learner: no trial is begun once it is passed, and the best of those that ended counts.",
    )
    per_run: float | None = Field(
        default=None,
        gt=0,
        description="Most for one `platform-assets run`, backfills among it, by its forecast: it asks before it begins.",
    )
    per_month: float | None = Field(
        default=None,
        gt=0,
        description="Most for a month of the calendar: alerts at 50, 80 and 100 %, and a run that would pass it asks before it begins.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.per_search is None and self.per_run is None and self.per_month is None:
            raise ValueError("a budget needs `per_search`, `per_run` or `per_month`")
        return self
