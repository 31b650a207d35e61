"""Predictions that somebody else makes: which table delivers them, and what its columns are.

Belongs here: the declaration of delivered scores. Does not belong here: the table itself (`sources.py`), or what is watched of it
(`serving.py`).
"""

from datetime import date

from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier


class ReferenceDays(Declaration):
    """The days that later ones are compared with."""

    first_day: date = Field(description="First event day.")
    last_day: date = Field(description="Last event day; windows are judged from the day after it on.")


class Predictions(Declaration):
    """Scores of a model that is not ours: watched as our own would be, with no model and no service here."""

    source: Identifier = Field(
        description="The source that delivers the scores: the events themselves, or another table by day with their key."
    )
    score: Identifier = Field(description="Its column with the score: a number; null where none was made.")
    highest: float = Field(
        default=1.0,
        gt=0,
        description="Scores are divided by it: 1000 where that is the score of certainty. Leave it out for a regression.",
    )
    decision: Identifier | None = Field(
        default=None,
        description="Its column with what was decided; left out, `serving.decision` says what the score would decide.",
    )
    model_version: Identifier | None = Field(
        default=None, description="Its column with the version that made the score; left out, all are `delivered`."
    )
    scored_at: Identifier | None = Field(
        default=None,
        description="Its column with the time at which the score was made; left out, its event time, or that of the event.",
    )
    reference: ReferenceDays = Field(
        description="Days on which the scores were right: drift, quality and estimates of later days are held to them."
    )
