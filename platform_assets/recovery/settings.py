"""What an installation says about its backups.

Belongs here: the fields of `PLATFORM_ASSETS_BACKUP`. Does not belong here: reading the environment (`platform_assets/settings.py`).
"""

from pydantic import BaseModel, ConfigDict, Field


class KeepCounts(BaseModel):
    """How many backups stay: the newest ones, and the newest of each day, week and month."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    last: int = Field(default=3, ge=1, description="The newest backups.")
    daily: int = Field(default=7, ge=0, description="Days of which the newest backup stays.")
    weekly: int = Field(default=5, ge=0, description="Weeks of which the newest backup stays.")
    monthly: int = Field(default=12, ge=0, description="Months of which the newest backup stays.")


class BackupSettings(BaseModel):
    """Where backups go, how many stay, and how often they are made and tried."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    to: str = Field(
        min_length=1, description="A folder on another disk, or an `s3://` address; of this installation alone."
    )
    object_store: dict[str, str] | None = Field(
        default=None,
        repr=False,
        description="Endpoint and keys of the target, as in `PLATFORM_ASSETS_OBJECT_STORE`, which counts when this is not set.",
    )
    keep: KeepCounts = Field(default_factory=KeepCounts, description="How many backups stay.")
    encryption_key_variable: str | None = Field(
        default=None,
        min_length=1,
        description="Variable with 32 bytes in base64 (`openssl rand -base64 32`) that backups are encrypted with; plain when not set. "
        "The key is in no backup: without it nothing can be restored.",
    )
    databases: dict[str, str] = Field(
        default_factory=dict,
        description="Further PostgreSQL databases by name, each with the variable that holds its SQLAlchemy address, such as Dagster's.",
    )
    schedule: str = Field(default="30 3 * * *", description="When Dagster makes a backup, as cron in UTC.")
    drill_schedule: str | None = Field(
        default="30 4 * * 0", description="When Dagster tries the newest backup, as cron in UTC; never when null."
    )
    drill_requests: int = Field(default=200, ge=1, description="Logged requests that a drill asks again, at most.")
    drill_days: int = Field(default=14, ge=1, description="A drill that is older than so many days counts for nothing.")
