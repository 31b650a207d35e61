"""Settings of a serving process.

Belongs here: every environment variable the service reads. Does not belong here: the port (the process manager's), or
anything that is part of the release (the model, the decision threshold).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platform_assets.features.clock_skew import LONGEST_CLOCK_SKEW_SECONDS

PREFIX = "PLATFORM_ASSETS_SERVING_"
LOG_FORMATS = (f"{PREFIX}LOG_FORMAT", "PLATFORM_ASSETS_LOG_FORMAT")
"""The first is set for a service when it is deployed; programs beside it read the installation's own."""
COUNTS_FOLDER = f"{PREFIX}COUNTS_FOLDER"
"""Set by who starts several processes of one release, each with a folder of its own."""

OtlpEndpoint = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
"""Such as `http://127.0.0.1:4318`, without a password: one would stand in logs and lists of processes."""


class ServingSettingsError(ValueError):
    """A setting is missing or cannot be used; the message names the environment variable."""


def wants_json(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process was asked to log JSON lines, which has to be known before anything is logged."""
    return next((environment[name] for name in LOG_FORMATS if environment.get(name)), "text") == "json"


class ServingSettings(BaseModel):
    """Settings of one serving process. Every field `x` is read from `PLATFORM_ASSETS_SERVING_X`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    feast: dict[str, Any] = Field(description="Feast's settings (project, registry, online store), as JSON.")
    log_folder: Path = Field(description="Folder that prediction log segments are written to; made when missing.")
    log_copy_folder: Path | None = Field(
        default=None,
        description="Folder on another disk or machine that takes every line of the prediction log as well, before the answer.",
    )
    online_features: str = Field(
        default="serving.online:open_online_features",
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="Function `module:name` that opens the online features, given use case and `feast`.",
    )
    release_digest: str | None = Field(
        default=None, description="Digest that the packed release must have; absent accepts what is packed."
    )
    arm: str | None = Field(
        default=None,
        description="Name of this process's arm, where a gateway names the arm that answers: what another got is a copy.",
    )
    log: Literal["before_answer", "after_answer"] | None = Field(
        default=None,
        description="When a prediction reaches the log, in place of what the use case declares as `serving.log`.",
    )
    otlp: OtlpEndpoint | None = Field(
        default=None, description="Base address of an OTLP receiver over HTTP that spans go to; absent traces nothing."
    )
    log_format: Literal["text", "json"] | None = Field(
        default=None, description="How the process's own messages are written to its output; absent is text."
    )
    counts_folder: Path | None = Field(
        default=None,
        description="Folder of this process alone in which its counters survive a restart; absent keeps them in memory.",
    )
    log_segment_bytes: int = Field(default=64 * 2**20, ge=4096, description="A log segment is closed past this size.")
    queue_capacity: int = Field(default=10_000, ge=1, description="Events that may wait for the online store.")
    drain_seconds: float = Field(default=10.0, gt=0, description="How long a stop waits for what is still queued.")
    body_limit_bytes: int = Field(
        default=2**20,
        ge=1024,
        description="Largest request body; where the request model needs less, that is the limit.",
    )
    max_future_seconds: float = Field(
        default=LONGEST_CLOCK_SKEW_SECONDS,
        ge=0,
        le=LONGEST_CLOCK_SKEW_SECONDS,
        description="How far ahead of this machine's clock an event may claim to be; no further than what the online store records.",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            ServingSettingsError: a variable is missing or its value cannot be used.
        """
        given: dict[str, Any] = {
            name: environment[PREFIX + name.upper()]
            for name in cls.model_fields
            if environment.get(PREFIX + name.upper())
        }
        try:
            if "feast" in given:
                given["feast"] = json.loads(given["feast"])
            return cls.model_validate(given)
        except json.JSONDecodeError as error:
            raise ServingSettingsError(f"{PREFIX}FEAST is not JSON: {error}") from error
        except ValidationError as error:
            problems = "; ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
            raise ServingSettingsError(f"the service cannot start: {problems}") from error

    @staticmethod
    def folder_of_counts(environment: Mapping[str, str] = os.environ) -> Path | None:
        """Where counters are kept, which has to be known before the first of them is made."""
        folder = environment.get(COUNTS_FOLDER)
        return Path(folder) if folder else None

    def to_environment(self) -> dict[str, str]:
        """The variables that `from_environment` reads these settings back from."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {
            PREFIX + name.upper(): json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)
            for name, value in values.items()
        }
