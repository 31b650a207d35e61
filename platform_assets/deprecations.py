"""What still works and will not for long, each with its last day and what to use instead.

Belongs here: the table, which is the truth about it, and its rules. Does not belong here: the notice that somebody sees who uses one
(where it is used), names of once in what is stored (`declaration/renamed.py`), or the page (`cli/deprecation_reference.py`).

A thing that is to go gets a line here, an entry below `Deprecated` in CHANGELOG.md, and a notice where it is used. After its last day it is
removed with its line: a test is red until it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

LEAST_NOTICE: Final = timedelta(days=90)
"""Between the day that people are told and the last day, where it is ours to decide."""


@dataclass(frozen=True)
class Deprecation:
    """Something that goes.

    Attributes:
        what: as people write it.
        since: the version that says so first.
        announced: the day of that.
        ends: the last day on which it works.
        instead: what to use.
        decided_by: who ends it; empty where we do.
    """

    what: str
    since: str
    announced: date
    ends: date
    instead: str
    decided_by: str = ""


DEPRECATIONS: Final[Mapping[str, Deprecation]] = MappingProxyType(
    {
        "opsgenie": Deprecation(
            what="alert receivers of kind `opsgenie` at `api.opsgenie.com` (`PLATFORM_ASSETS_ALERT_RECEIVERS`)",
            since="0.1.0",
            announced=date(2026, 11, 20),
            ends=date(2027, 4, 5),
            instead="the same kind with `api_url` of Jira Service Management, which takes the same calls",
            decided_by="Atlassian",
        )
    }
)


def deprecation_problems(today: date, changelog: str, deprecations: Mapping[str, Deprecation]) -> list[str]:
    """What is wrong with the table on a day: what is over, what was told too late, what the changelog does not mention."""
    return list(_problems(today, changelog, deprecations))


def _problems(today: date, changelog: str, deprecations: Mapping[str, Deprecation]) -> Iterable[str]:
    for key, one in deprecations.items():
        if one.ends < today:
            yield f"{key} ended on {one.ends}: remove it, and its line in platform_assets/deprecations.py. {one.what}: {one.instead}"
        if not one.decided_by and one.ends - one.announced < LEAST_NOTICE:
            notice = (one.ends - one.announced).days
            yield f"{key}: {notice} days from {one.announced} to {one.ends}; people get {LEAST_NOTICE.days} at least"
        if f"`{key}`" not in changelog:
            yield f"{key}: CHANGELOG.md has no entry that names `{key}`"
