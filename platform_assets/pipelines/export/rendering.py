"""Filling in the templates of projects.

Belongs here: the templates' environment, and what all projects say alike. Does not belong here: the files of one orchestrator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from platform_assets.pipelines.export.plan import ExportPlan

TEMPLATES = Path(__file__).parent / "templates"


def project_file(name: str, plan: ExportPlan, **more: Any) -> str:
    """A template, filled in.

    Args:
        name: of the template.
        plan: what the project says.
        more: what the template asks for besides.

    Raises:
        jinja2.UndefinedError: something is missing.
    """
    from jinja2 import Environment, StrictUndefined

    made = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    made.globals |= {"words": _words}
    template = made.from_string((TEMPLATES / name).read_text(encoding="utf-8"))
    at = (datetime.min + plan.after_midnight).strftime("%H:%M")
    return template.render(plan=plan, at=at, first_day=date.fromisoformat(plan.first_day), **more)


def what_is_missing(plan: ExportPlan, orchestrator: str, retries: str) -> str:
    """The part of a project's README that says what it does as Dagster does, and what not."""
    return project_file("missing.md.j2", plan, orchestrator=orchestrator, retries=retries).strip()


def _words(names: Sequence[str]) -> str:
    return json.dumps(list(names))
