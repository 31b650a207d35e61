"""Confusion as a table of cells: the count, its share of the row, and a shade by that share.

Belongs here: drawing cells that stay readable when one class is rare. Does not belong here: counting.

A shade by the count alone makes every cell of a rare class white; the share of the row has both classes in the same light.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.pictures.figures import labelled
from platform_assets.pictures.numbers import count, share
from platform_assets.pictures.palette import BLUE, INK, LINE, SOFT

DARKEST = 0.5
"""Of a shade, so that words on it are readable in either theme."""
WORDS_UP_TO, SHARES_UP_TO = 12, 5
"""Classes with counts in their cells, and with shares as well."""


def draw_confusion(
    axes: Any,
    counts: NDArray[Any],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    row_name: str,
    column_name: str,
    of_row: Sequence[str] = (),
    of_rows: NDArray[Any] | None = None,
) -> None:
    """Draw the cells.

    Args:
        axes: of a figure.
        counts: int [rows, columns].
        rows: names of what is true.
        columns: names of what was decided.
        title: above.
        row_name: what the rows are.
        column_name: what the columns are.
        of_row: what a share is a share of, for each row; default: nothing but the number.
        of_rows: all of each row, where the columns are only some; default: their sum.
    """
    from matplotlib.patches import Rectangle

    high, wide = counts.shape
    totals = counts.sum(axis=1) if of_rows is None else of_rows
    shares = counts / np.maximum(totals, 1)[:, np.newaxis]
    labelled(axes, title, column_name, row_name, grid="none")
    for row, column in np.ndindex(high, wide):
        shade = DARKEST * float(shares[row, column])
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=shade, linewidth=0))
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="none", edgecolor=LINE, linewidth=0.8))
        if max(high, wide) <= WORDS_UP_TO and (counts[row, column] or high <= SHARES_UP_TO):
            words = f"{share(shares[row, column])} {of_row[row] if of_row else ''}".rstrip() if totals[row] else ""
            _write(axes, row, column, int(counts[row, column]), words, max(high, wide))
    axes.set_xlim(-0.5, wide - 0.5)
    axes.set_ylim(high - 0.5, -0.5)
    slanted = wide > 4 or max(map(len, columns)) > 16
    axes.set_xticks(range(wide), columns, rotation=35 if slanted else 0, ha="right" if slanted else "center")
    names = [
        f"{name}\n{count(int(total))}" if high <= SHARES_UP_TO else name
        for name, total in zip(rows, totals, strict=True)
    ]
    axes.set_yticks(range(high), names)


def _write(axes: Any, row: int, column: int, rows: int, words: str, classes: int) -> None:
    """The count, and the share below it where there is room."""
    has_share = classes <= SHARES_UP_TO
    size = 12 if classes <= 3 else 9 if has_share else 7
    place = {"ha": "center", "va": "center"}
    axes.text(column, row - (0.08 if has_share else 0), count(rows), fontsize=size, color=INK, **place)
    if has_share and words:
        axes.text(column, row + 0.22, words, fontsize=8, color=SOFT if classes > 3 else INK, **place)
