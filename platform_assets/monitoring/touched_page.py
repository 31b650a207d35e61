"""The page of what a file touched: for those who answer for the decisions, and for those whom they concern.

Belongs here: the page, made of plain values. Does not belong here: finding out (`pipelines/touched_by`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platform_assets.pictures.pages import filled_in

TEMPLATE = Path(__file__).with_name("touched_page.html.j2")
MOST_ROWS = 500
"""Predictions that the page lists; the CSV has all."""


def touched_page(document: Mapping[str, Any], made_at: str) -> str:
    """The page.

    Args:
        document: as `platform-assets lineage touched --json` prints it.
        made_at: when the page was made, ISO.
    """
    rows = sorted(document["by_features"], key=lambda row: (not row.get("flips"), row["request_id"]))
    return filled_in(
        TEMPLATE, document=document, rows=rows[:MOST_ROWS], more=max(0, len(rows) - MOST_ROWS), made_at=made_at
    )
