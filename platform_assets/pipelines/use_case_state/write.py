"""Write the pages: of a use case, and of all that have one.

Belongs here: the folder of pages and its files, each replaced at once. Does not belong here: what stands in them
(`monitoring/use_case_page/`), or serving them (`deployment/local/doors/`).
"""

import os
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from platform_assets.deployment.serving_home import ServingHome
from platform_assets.monitoring.use_case_page.page import index_page, use_case_page
from platform_assets.monitoring.use_case_page.state import UseCaseState
from platform_assets.monitoring.use_case_page.summary import UseCaseSummary, summary_of

INDEX = "index.html"
SUMMARIES = "summaries"


def write_use_case_page(state: UseCaseState, serving: ServingHome) -> Path:
    """Write the page of a use case, its line, and the page of all use cases anew.

    Args:
        state: what is known of it.
        serving: whose folder of pages.

    Returns:
        The page's file.
    """
    folder = serving.page_folder()
    path = folder / f"{state.use_case}.html"
    replace_file(path, use_case_page(state))
    replace_file(folder / SUMMARIES / f"{state.use_case}.json", summary_of(state).model_dump_json())
    write_index(folder, state.made_at)
    return path


def write_index(folder: Path, made_at: datetime) -> Path:
    """Write the page of all use cases from their lines; one small file is read for each."""
    path = folder / INDEX
    replace_file(path, index_page(read_summaries(folder), made_at))
    return path


def read_summaries(folder: Path) -> list[UseCaseSummary]:
    """The lines of all use cases that have a page; one of another version of the platform is left out until it is written again."""
    found = []
    for path in sorted((folder / SUMMARIES).glob("*.json")):
        try:
            found.append(UseCaseSummary.model_validate_json(path.read_bytes()))
        except (ValidationError, FileNotFoundError):
            continue
    return found


def replace_file(path: Path, text: str) -> None:
    """Replace a file at once: who reads it sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
