"""How far a column may move, as declared for all columns and for single ones.

Belongs here: limits. Does not belong here: what they are compared with (`drift`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from platform_assets.declaration.sections.serving import Monitoring, WatchedColumn


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """How far a column may move.

    Attributes:
        max_ks: largest Kolmogorov-Smirnov distance of a number column.
        max_psi: largest population stability index of a column.
        min_rows: fewest rows on either side that allow a verdict.
        error_rate: probability that chance alone makes any column of one report drift; shared among its columns and
            statistics.
    """

    max_ks: float
    max_psi: float
    min_rows: int
    error_rate: float = 0.01

    @classmethod
    def declared(cls, monitoring: Monitoring) -> DriftLimits:
        """The limits that a use case declares."""
        return cls(max_ks=monitoring.max_ks, max_psi=monitoring.max_psi, min_rows=monitoring.min_rows)

    def of_column(self, column: WatchedColumn) -> DriftLimits:
        """These limits with a column's own in their place."""
        return replace(self, max_ks=column.max_ks or self.max_ks, max_psi=column.max_psi or self.max_psi)
