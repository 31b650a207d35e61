"""One picture of the quality of features.

Belongs here: the figure. Does not belong here: what it shows (`quality/profiles.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.features.quality.profiles import UNSTABLE_PSI, FeatureProfile, FeatureQuality
from platform_assets.pictures.figures import bound_line, labelled, new_figure, note, png, read_as
from platform_assets.pictures.palette import BLUE, GREY, INK, RED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FEATURES = 40
"""Features in one picture: those with findings first, then by what they say about the label."""


def plot_feature_quality(quality: FeatureQuality, largest_score: float, binary: bool) -> bytes:
    """Missing share, movement, single-feature scores, and the correlation of features with each other.

    Args:
        quality: what to show.
        largest_score: the bound of the single-feature score.
        binary: whether the score is an area under the ROC curve, which begins at one half.

    Returns:
        A PNG image.
    """
    return png(feature_figure(quality, largest_score, binary))


def feature_figure(quality: FeatureQuality, largest_score: float, binary: bool) -> Figure:
    """As `plot_feature_quality`, as a figure."""
    shown = _shown(quality)
    if not shown:
        return note("There are no features to look at.")
    figure = new_figure(14.0, max(3.4, 1.9 + 0.24 * len(shown)))
    missing, movement, score, matrix = figure.subplots(1, 4, width_ratios=(1, 1.2, 1.2, 2.2))
    rows = np.arange(len(shown))
    _draw_missing(missing, rows, shown)
    _draw_movement(movement, shown)
    _draw_scores(score, rows, shown, largest_score, binary)
    _draw_similarity(figure, matrix, quality, shown)
    for axes in (movement, score, matrix):
        axes.set_yticks(rows, [""] * len(shown))
    for axes in (missing, movement, score):
        axes.set_ylim(len(shown) - 0.5, -0.5)
    title = f"{quality.rows:,} of {quality.of_rows:,} rows; {len(quality.questionable)} of {len(quality.features)} features with a finding"
    if len(quality.features) > len(shown):
        title += f"; the {len(shown)} with findings or the most to say"
    figure.suptitle(title, fontsize=10, color=INK, x=0.01, ha="left")
    return figure


def _draw_missing(axes: Any, rows: Any, shown: list[FeatureProfile]) -> None:
    axes.barh(rows, [profile.missing_ratio for profile in shown], height=0.6, color=GREY)
    axes.set_xlim(0, 1)
    axes.set_yticks(rows, [profile.feature for profile in shown])
    labelled(axes, "Missing", "share of the rows", grid="x")
    read_as(axes.xaxis, "%")


def _draw_scores(axes: Any, rows: Any, shown: list[FeatureProfile], largest: float, binary: bool) -> None:
    """A filled dot is fine, a hollow one has a finding, a diamond leaks."""
    start = 0.5 if binary else 0.0
    values = [start if profile.single_feature_score is None else profile.single_feature_score for profile in shown]
    axes.hlines(rows, start, values, color=GREY, linewidth=1)
    for row, value, profile in zip(rows, values, shown, strict=True):
        colour, marker = (RED, "D") if profile.leaks else (BLUE, "o")
        fill = "none" if profile.findings and not profile.leaks else colour
        axes.plot([value], [row], marker, color=colour, markerfacecolor=fill, markersize=5)
    bound_line(axes, largest, along="x")
    axes.set_xlim(0.45 if binary else -0.02, 1.02)
    name = "ROC AUC" if binary else "share of the variance"
    labelled(axes, "What it says alone", f"{name}; diamond: leaks", grid="x")
    read_as(axes.xaxis)


def _draw_similarity(figure: Figure, axes: Any, quality: FeatureQuality, shown: list[FeatureProfile]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    indices = [quality.features.index(profile) for profile in shown]
    shades = LinearSegmentedColormap.from_list("similar", ["#ffffff", BLUE])
    image = axes.imshow(
        np.abs(quality.similarity[np.ix_(indices, indices)]), vmin=0, vmax=1, cmap=shades, aspect="auto"
    )
    labelled(axes, "Rank correlation with each other", grid="none")
    axes.set_xticks(range(len(shown)), [profile.feature for profile in shown], rotation=90, fontsize=7)
    bar = figure.colorbar(image, ax=axes, fraction=0.04)
    bar.ax.tick_params(labelsize=8)


def _draw_movement(axes: Any, shown: list[FeatureProfile]) -> None:
    """A dot for each period against the first; one past the line is a diamond."""
    for row, profile in enumerate(shown):
        for psi in profile.psi_by_period:
            moved = psi > UNSTABLE_PSI
            axes.plot([psi], [row], "D" if moved else "o", color=RED if moved else BLUE, markersize=4, alpha=0.8)
    bound_line(axes, UNSTABLE_PSI, along="x")
    worst = max((psi for profile in shown for psi in profile.psi_by_period), default=0.0)
    axes.set_xlim(-0.02, max(2 * UNSTABLE_PSI, 1.05 * worst))
    labelled(axes, "Movement", "PSI of each period against the first", grid="x")
    read_as(axes.xaxis)


def _shown(quality: FeatureQuality) -> list[FeatureProfile]:
    order = sorted(
        quality.features,
        key=lambda profile: (not profile.leaks, not profile.findings, -(profile.single_feature_score or 0.0)),
    )
    return order[:MOST_FEATURES]
