"""How good a partition must be, as declared.

Belongs here: the limits past which a partition is refused. Does not belong here: limits of single values
(`columns.py`), and checking any of them (`validation/`).
"""

from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier


class VolumeRule(Declaration):
    """How far a day's row count may be from the median of the same weekday in the recent past."""

    min_ratio: float = Field(default=0.5, ge=0, description="Fewer rows than this share of the median stop the day.")
    max_ratio: float = Field(default=2.0, gt=0, description="More rows than this multiple of the median stop the day.")
    history_days: int = Field(default=28, ge=7, description="How many days back the median looks.")
    min_history: int = Field(
        default=2, ge=1, description="Below this many earlier same weekdays the rule only reports."
    )


class NullRule(Declaration):
    """How many values of a nullable column a day may lack."""

    max_ratio: dict[Identifier, float] = Field(
        default_factory=dict, description="Largest share of nulls allowed, for columns that are named here."
    )
    max_increase: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="How far the share of nulls may lie above the largest of the recent days, for all other columns.",
    )


class ReconciliationRule(Declaration):
    """The source's own totals, which what was delivered must add up to."""

    enabled: bool = Field(default=True, description="Whether totals are asked for and compared.")
    control_file: str | None = Field(
        default=None,
        description="For files: the file with the totals, `{event_day}` standing for the day. JSON `{rows, sums: {column: sum}}`, or "
        "CSV with `event_day`, `rows` and one column for each sum. Relative to the use case's folder.",
    )
    sums: tuple[Identifier, ...] | None = Field(
        default=None,
        description="Numeric columns whose sums are compared. Left out: of files those in the control file, else none.",
    )
    tolerance_ratio: float = Field(
        default=1e-6, ge=0, description="How far a sum may be off, as a share of it. Counts must be equal."
    )


class FreshnessRule(Declaration):
    """How far into the day the events of a partition reach, and whether hours are silent."""

    newest_hour: float | None = Field(
        default=None,
        ge=0,
        lt=24,
        description="Hour of the day, in UTC or the source's `time_zone`, that the newest event must reach; absent: history decides.",
    )
    min_expected_rows: int = Field(
        default=30,
        ge=1,
        description="Hours in a row without any event stop the day when the recent days had this many rows there, and each had some.",
    )


class AnomalyRule(Declaration):
    """How far the distribution of a column may be from the recent days before the day is refused.

    This is for data that is broken, not for a world that changes: slow or moderate change is for drift monitoring.
    """

    enabled: bool = Field(default=True, description="Whether distributions are compared.")
    history_days: int = Field(default=28, ge=1, description="How many days back profiles are looked at.")
    min_history: int = Field(default=7, ge=2, description="Below this many profiles the rule only reports.")
    min_rows: int = Field(default=100, ge=1, description="Days with fewer rows are not compared.")
    max_score: float = Field(
        default=8.0,
        gt=0,
        description="Largest robust z-score: distance from the median over its spread in the history.",
    )
    floor_ratio: float = Field(
        default=0.1,
        gt=0,
        description="The spread is at least this share of the column's usual size, so that steady columns raise no alarm.",
    )
    exclude: tuple[Identifier, ...] = Field(default=(), description="Columns that are not compared.")


class Quality(Declaration):
    """The limits past which a whole partition is refused."""

    max_refused_ratio: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="Share of rows that may go to quarantine before the partition is refused.",
    )
    volume: VolumeRule = Field(default_factory=VolumeRule, description="Row count against recent history.")
    max_duplicate_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of rows that may repeat a key of the day; absent: max_refused_ratio.",
    )
    max_unknown_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of rows that may refer to something unknown, for each reference; absent: max_refused_ratio.",
    )
    nulls: NullRule = Field(default_factory=NullRule, description="Share of nulls in nullable columns.")
    reconciliation: ReconciliationRule = Field(
        default_factory=ReconciliationRule, description="Counts and sums against the source's own totals."
    )
    freshness: FreshnessRule = Field(default_factory=FreshnessRule, description="Hours of the day that have events.")
    anomalies: AnomalyRule = Field(
        default_factory=AnomalyRule, description="Distributions against the profiles of recent days."
    )
