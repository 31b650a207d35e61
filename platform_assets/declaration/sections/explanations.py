"""Explanations: which predictions are explained by themselves, and what a person could change.

Belongs here: what a team declares about it. Does not belong here: explaining (`pipelines/explain_prediction`).
"""

from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier


class Explanations(Declaration):
    """How predictions are explained."""

    samples_per_day: int = Field(
        default=0,
        ge=0,
        description="So many predictions of each day are explained by themselves (asset `monitoring/explanations`), and its check is red "
        "where one of them, computed again, is another answer. 0: none.",
    )
    changeable: tuple[Identifier, ...] = Field(
        default=(),
        description="Columns of the request that somebody could have changed, such as an amount: `platform-assets explain` searches "
        "them for the smallest change that flips the decision. What a person is does not belong here.",
    )
