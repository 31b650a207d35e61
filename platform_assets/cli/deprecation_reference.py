"""`platform-assets docs`: the page of what goes, from the table in `platform_assets/deprecations.py`.

Belongs here: the table to Markdown. Does not belong here: the table.
"""

from collections.abc import Mapping
from pathlib import Path

from platform_assets.deprecations import LEAST_NOTICE, Deprecation

DEPRECATIONS_PAGE = Path("docs") / "reference" / "deprecations.md"


def render_deprecations(deprecations: Mapping[str, Deprecation]) -> str:
    """The page as Markdown, what ends first at the top."""
    lines = [
        "# What goes",
        "",
        "Written by `make docs` from `platform_assets/deprecations.py`. Each works until the end of its last day and says so where it is",
        f"used. What we end ourselves is announced at least {LEAST_NOTICE.days} days before. After its last day it is removed: a test is",
        "red until it is, and the [changelog](../../CHANGELOG.md) names it below `Removed`.",
        "",
        "| What | Since | Announced | Last day | Instead | Who ends it |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.what} | {one.since} | {one.announced} | {one.ends} | {one.instead} | {one.decided_by or 'we'} |"
        for one in sorted(deprecations.values(), key=lambda one: one.ends)
    ]
    return "\n".join(lines) + "\n"
