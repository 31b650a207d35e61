"""One picture of the quality of features.

Belongs here: the figure. Does not belong here: what it shows (`quality/profiles.py`).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from platform_assets.features.quality.profiles import UNSTABLE_PSI, FeatureProfile, FeatureQuality

MOST_FEATURES = 40
"""Features in one picture: those with findings first, then by what they say about the label."""

GREEN, RED, BLUE, GREY = "#2e8b57", "#b3261e", "#2f6db3", "#8a94a0"


def plot_feature_quality(quality: FeatureQuality, largest_score: float, binary: bool) -> bytes:
    """Missing share, movement, single-feature scores, and the correlation of features with each other.

    Args:
        quality: what to show.
        largest_score: the bound of the single-feature score.
        binary: whether the score is an area under the ROC curve, which begins at one half.

    Returns:
        A PNG image.
    """
    from matplotlib.figure import Figure

    shown = _shown(quality)
    indices = [quality.features.index(profile) for profile in shown]
    height = 1.6 + 0.24 * len(shown)
    figure = Figure(figsize=(13.0, max(3.2, height)), layout="constrained")
    missing, movement, score, matrix = figure.subplots(1, 4, gridspec_kw={"width_ratios": [1, 1.2, 1.2, 2.2]})
    rows = np.arange(len(shown))
    colors = [RED if profile.leaks else BLUE if not profile.findings else GREY for profile in shown]
    missing.barh(rows, [profile.missing_ratio for profile in shown], color=GREY)
    missing.set_xlim(0, 1)
    missing.set_xlabel("missing share")
    missing.set_yticks(rows, [profile.feature for profile in shown], fontsize=8)
    _draw_movement(movement, shown)
    score.barh(rows, [profile.single_feature_score or 0.0 for profile in shown], color=colors)
    score.axvline(largest_score, color=RED, linestyle="--", linewidth=1)
    score.set_xlim(0.45 if binary else 0.0, 1.0)
    score.set_xlabel(f"{'ROC AUC' if binary else 'variance explained'} alone; red: leaks")
    image = matrix.imshow(
        np.abs(quality.similarity[np.ix_(indices, indices)]), vmin=0, vmax=1, cmap="Blues", aspect="auto"
    )
    matrix.set_xticks(rows, [profile.feature for profile in shown], fontsize=7, rotation=90)
    matrix.set_title("rank correlation with each other", fontsize=9)
    figure.colorbar(image, ax=matrix, fraction=0.04)
    for axes in (movement, score, matrix):
        axes.set_yticks(rows, [""] * len(shown))
    for axes in (missing, movement, score):
        axes.set_ylim(len(shown) - 0.5, -0.5)
    with_findings = len(quality.questionable)
    figure.suptitle(
        f"{quality.rows:,} of {quality.of_rows:,} rows; {with_findings} of {len(quality.features)} features with a finding",
        fontsize=10,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _draw_movement(axes: Any, shown: list[FeatureProfile]) -> None:
    """A dot for each period against the first."""
    for row, profile in enumerate(shown):
        worst = max(profile.psi_by_period, default=0.0)
        axes.plot(
            profile.psi_by_period,
            [row] * len(profile.psi_by_period),
            "o",
            color=RED if worst > UNSTABLE_PSI else GREEN,
            markersize=4,
        )
    axes.axvline(UNSTABLE_PSI, color=GREY, linestyle="--", linewidth=1)
    worst = max((psi for profile in shown for psi in profile.psi_by_period), default=0.0)
    axes.set_xlim(-0.02, max(2 * UNSTABLE_PSI, 1.05 * worst))
    axes.set_xlabel("PSI of each period against the first")


def _shown(quality: FeatureQuality) -> list[FeatureProfile]:
    order = sorted(
        quality.features,
        key=lambda profile: (not profile.leaks, not profile.findings, -(profile.single_feature_score or 0.0)),
    )
    return order[:MOST_FEATURES]
