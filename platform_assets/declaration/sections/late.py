"""What happens when a day of a source does not come.

Belongs here: the rule, as declared. Does not belong here: when a day is due and which one is late (`pipelines/due_now/`).
"""

from typing import Literal

from pydantic import Field

from platform_assets.declaration.base import Declaration


class Late(Declaration):
    """The rule for a day that was not published when it was due: its file did not come, or its audit refuses it."""

    wait_days: int = Field(
        default=2,
        ge=0,
        le=365,
        description="For so many days after it was due, whatever is made from a day waits for it.",
    )
    then: Literal["go_on", "hold"] = Field(
        default="hold",
        description="After that, `hold` goes on waiting; with `go_on` the day counts as absent for features, online store and training, "
        "which say so. When it comes it is caught up, and what was made without it is made again.",
    )
