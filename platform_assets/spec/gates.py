"""Gates: what a model has to prove before it is promoted.

Belongs here: bounds, and bypasses with who, why and until when. Does not belong here: judging (`evaluation/`), what is measured of
every candidate (`training.py`).
"""

from datetime import date

from pydantic import Field

from platform_assets.spec.base import Declaration, Identifier
from platform_assets.spec.training import Metric


class Floor(Declaration):
    """A bound that a metric must keep."""

    metric: Metric = Field(description="Which metric, as its mean over the folds.")
    bound: float = Field(description="Smallest value allowed, or the largest for an error metric.")


class Bypass(Declaration):
    """A gate that is let pass for a time, on somebody's word. It is recorded and it expires."""

    gate: Identifier = Field(description="Name of the gate.")
    who: str = Field(min_length=3, description="Who decided it.")
    why: str = Field(min_length=10, description="Why it is right to let it pass.")
    until: date = Field(description="Last day on which the bypass holds.")


class Gates(Declaration):
    """What a model has to prove before it is promoted. All gates block."""

    baseline_margin: float = Field(
        default=0.0, description="By how much the model must beat the best baseline, in the selection metric."
    )
    champion_tolerance: float = Field(
        default=0.02, ge=0, description="How much worse than the champion, on the same rows, is still accepted."
    )
    floors: tuple[Floor, ...] = Field(default=(), description="Bounds on metrics.")
    max_calibration_error: float | None = Field(default=None, gt=0, description="Largest expected calibration error.")
    min_training_rows: int = Field(default=1000, ge=1, description="Fewest rows a training period must have.")
    min_positives: int = Field(
        default=20, ge=0, description="Fewest positive labels a training period must have; binary only."
    )
    bypasses: tuple[Bypass, ...] = Field(default=(), description="Recorded exceptions; each expires.")
