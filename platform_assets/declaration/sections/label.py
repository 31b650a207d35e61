"""The label: what a model predicts, and how its values come to be known.

Belongs here: the declaration of one label. Does not belong here: which label was known on a day (`features/offline/known_labels.py`).
"""

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from platform_assets.declaration.base import Declaration, Identifier


class Label(Declaration):
    """What the model predicts. Its delay is the `arrival_delay_days` of its source, or its own `complete_after_days`."""

    source: Identifier = Field(description="Source that carries the label.")
    column: Identifier = Field(
        description="Column with the label: 0 or 1 for a binary task; for a multi-class task a text or whole number, whose `allowed` "
        "values are the classes, in the order in which probabilities are given."
    )
    decided_at: Identifier | None = Field(
        default=None,
        description="Column of the label's source with the time of the decision. A row counts from 00:00 UTC of the day after its "
        "decision, and not before it arrives (`arrival_delay_days`, counted from the row's own day). A row of the same event that comes "
        "again with another value is a reversal or correction: it counts from its own time on, the earlier one until then. Absent means "
        "that each row is dated by its event.",
    )
    complete_after_days: int | None = Field(
        default=None,
        ge=1,
        description="With `decided_at`: an event's label counts as complete so many days after the event's day. Training sets, folds and "
        "monitoring end there. By default the `arrival_delay_days` of the source.",
    )
    absent: int | float | str | None = Field(
        default=None,
        description="What it means when an event has no row in the label's source once its label is complete: 0 where only the events "
        "that went wrong are delivered. Only days of the source that were loaded count. Absent means that there is no label then.",
    )

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came later are left out where they are not declared: older declarations read and mean the same."""
        document: dict[str, Any] = handler(self)
        later = ("decided_at", "complete_after_days", "absent")
        return {name: value for name, value in document.items() if name not in later or value is not None}
