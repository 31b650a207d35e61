"""How good a partition must be, as declared.

Belongs here: the limits past which a partition is refused. Does not belong here: limits of single values
(`columns.py`), and checking any of them (`validation/`).
"""

from pydantic import Field

from platform_assets.spec.base import Declaration


class VolumeRule(Declaration):
    """How far a day's row count may be from the median of the same weekday in the recent past."""

    min_ratio: float = Field(default=0.5, ge=0, description="Fewer rows than this share of the median stop the day.")
    max_ratio: float = Field(default=2.0, gt=0, description="More rows than this multiple of the median stop the day.")
    history_days: int = Field(default=28, ge=7, description="How many days back the median looks.")
    min_history: int = Field(
        default=2, ge=1, description="Below this many earlier same weekdays the rule only reports."
    )


class Quality(Declaration):
    """The limits past which a whole partition is refused."""

    max_refused_ratio: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="Share of rows that may go to quarantine before the partition is refused.",
    )
    volume: VolumeRule = Field(default_factory=VolumeRule, description="Row count against recent history.")
