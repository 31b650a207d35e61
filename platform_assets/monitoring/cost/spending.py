"""Money that work takes while it goes on: this process and its children, priced by a sheet.

Belongs here: the meter of a search's budget. Does not belong here: what is recorded afterwards (`usage.py`), who stops (`training/tuning`).
"""

from __future__ import annotations

import time
from typing import Self

import psutil

from platform_assets.monitoring.cost.meter import cpu_seconds_of_family
from platform_assets.monitoring.cost.price_sheet import PriceSheet, sheet_name


class MeteredSpending:
    """What this process has taken since it was made."""

    def __init__(self, sheet: str) -> None:
        """Begin.

        Raises:
            PriceSheetUnusable: the sheet does not exist or cannot be used.
        """
        self._prices = PriceSheet.named(sheet)
        self.currency = self._prices.currency
        self._process = psutil.Process()
        self._began, self._cpu_before = time.perf_counter(), cpu_seconds_of_family()

    @classmethod
    def of_cloud(cls, setting: str, cloud: str) -> Self:
        """Begin, by the sheet that the installation's setting and the declared cloud name.

        Raises:
            PriceSheetUnusable: as `__init__`.
        """
        return cls(sheet_name(setting, cloud))

    def spent(self, trial_seconds: float) -> float:
        """Money so far: CPU that was used and memory that was held here, at least a core for the seconds that trials took.

        Args:
            trial_seconds: of all trials that ended, those of earlier runs and of other machines included.
        """
        seconds = time.perf_counter() - self._began
        cpu_seconds = max(trial_seconds, cpu_seconds_of_family() - self._cpu_before)
        gigabyte_seconds = self._process.memory_info().rss / 1e9 * seconds
        return self._prices.money(cpu_seconds, gigabyte_seconds, 0.0, 0.0)
