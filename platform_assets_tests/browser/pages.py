"""Pages of Dagster's UI that the README and the guide speak of, and pages of ours, and what must be on each after `make run`.

Belongs here: addresses, what is waited for, and what is counted at least. Does not belong here: the browser (`walk.py`), or the world.
"""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

USE_CASE = "card_fraud"
GROUPS = f'group:"{USE_CASE}__*"'
"""As typed into the search field above the graph."""
TELEPHONE = 400
"""Width of a narrow screen, in pixels."""
MISSING = "text=Missing required config entry"
RUN_LINK, MARKDOWN = "a[href*='/runs/']", "text=[Show Markdown]"


@dataclass(frozen=True)
class UiPage:
    """A page.

    Attributes:
        name: of its picture.
        path: below the UI's address, or an address of its own.
        waits: selectors that have to be visible, one after the other.
        counts: what is counted: selector by name.
        at_least: how many there must be of each.
        images: how many drawn pictures there must be at least.
        clicks: selectors that are clicked then, one after the other.
        gone: selectors of which nothing may be left then.
        is_shown: whether the guide shows its picture.
        width: of the window, in pixels.
        height: of the window, in pixels.
    """

    name: str
    path: str
    waits: tuple[str, ...]
    counts: dict[str, str]
    at_least: dict[str, int]
    images: int = 0
    clicks: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    is_shown: bool = False
    width: int = 1400
    height: int = 900

    @property
    def plan(self) -> dict[str, Any]:
        """What the browser is asked."""
        return asdict(self)


def asset(layer: str, table: str, **query: str) -> str:
    """Path of an asset's page."""
    asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    return f"/assets/{USE_CASE}/{layer}/{table}?{asked}"


def narrow_pages(card: str, drift: str, use_case: str, index: str) -> list[UiPage]:
    """Pages of ours on a telephone, each by the address of its file: nothing on them is moved sideways."""
    narrow: dict[str, Any] = {"counts": {}, "at_least": {}, "width": TELEPHONE}
    return [
        UiPage("narrow-card", card, ("text=Gates, the tightest first",), **narrow, images=3),
        UiPage("narrow-drift", drift, ("text=How to read it",), **narrow),
        UiPage("narrow-use-case", use_case, ("text=What runs by itself",), **narrow),
        UiPage("narrow-index", index, (f"text={USE_CASE}",), **narrow),
    ]


def pages(day: str, as_of: str, checks: int, jobs: int, runs: int, columns: int) -> list[UiPage]:
    """The pages of the web UI.

    Args:
        day: a day whose data was loaded, served and watched.
        as_of: the day that the model was made as of.
        checks: of the evaluation.
        jobs: that ran.
        runs: that ended.
        columns: of the feature table that is looked at.
    """
    return [
        UiPage(
            "timeline", "/", (f"a:has-text('{USE_CASE}__train')",),
            {"jobs": f"a[href*='/jobs/{USE_CASE}__']"}, {"jobs": jobs}, is_shown=True, height=560,
        ),
        UiPage(
            "runs", "/runs", ("text=Success",),
            {"successes": "text=Success", "runs": RUN_LINK}, {"successes": min(runs, 15), "runs": min(runs, 15)}, is_shown=True,
        ),
        UiPage(
            "asset-graph", f"/asset-groups~{quote(GROUPS)}/", (f"text={USE_CASE}__monitoring",),
            {"groups of it": f"text=/^{USE_CASE}__[a-z]+$/"}, {"groups of it": 10}, is_shown=True, height=700,
        ),
        UiPage(
            "partitioned-asset", asset("clean", "transactions", view="partitions", partition=day), ("text=delta_version", "img"),
            {"link to its run": RUN_LINK, "whole picture": MARKDOWN}, {"link to its run": 1, "whole picture": 1}, images=1, is_shown=True,
        ),
        UiPage(
            "columns", asset("features", "customer_activity", view="overview"), ("text=customer_count_1d",),
            {"columns": "tr:has-text('Float64'), tr:has-text('Int64'), tr:has-text('Date')"}, {"columns": columns},
        ),
        *_pages_of_a_model(day, as_of, checks),
    ]  # fmt: skip


def _pages_of_a_model(day: str, as_of: str, checks: int) -> list[UiPage]:
    """A model, its gates, its card, and what watches it."""
    return [
        UiPage(
            "model", asset("model", "classifier", view="partitions", partition=as_of), ("text=model_digest", "img"),
            {"candidates": "table table tr", "link to its run": RUN_LINK}, {"candidates": 4, "link to its run": 1}, images=1,
            is_shown=True, height=1100,
        ),
        UiPage(
            "model-plot", asset("model", "classifier", view="partitions", partition=as_of), ("text=model_digest", MARKDOWN),
            {"whole picture": "[role=dialog] img"}, {"whole picture": 1}, images=2, clicks=(MARKDOWN,),
        ),
        UiPage(
            "checks", asset("model", "evaluation", view="checks"), ("text=beats_baselines",),
            {"green checks": "text=Succeeded", "all checks": f"text=/^Checks \\({checks}\\)$/"},
            {"green checks": 15, "all checks": 1}, is_shown=True,
        ),
        UiPage(
            "card", asset("model", "card", view="partitions", partition=as_of), ("text=size_bytes",),
            {"link to the card": "a[href*='/v1/pages/reports/']"}, {"link to the card": 1},
        ),
        UiPage(
            "drift", asset("monitoring", "drift", view="partitions", partition=day), ("text=columns_not_judged", "img"),
            {"link to the report": "a[href*='/v1/pages/reports/']"}, {"link to the report": 1}, images=1,
        ),
        UiPage(
            "automation", "/automation", (f"text={USE_CASE}__due",), {"sensors": f"text=/^{USE_CASE}__/"}, {"sensors": 5},
        ),
        UiPage(
            "rollback", asset("model", "rollback", view="overview"), ("button:has-text('Materialize')",),
            {"what is missing": MISSING, "one field": ".CodeMirror >> text=why"}, {"one field": 1}, gone=(MISSING,),
            clicks=("button:has-text('Materialize')", "button:has-text('Scaffold missing config')", "button:has-text('Confirm')"),
        ),
    ]  # fmt: skip
