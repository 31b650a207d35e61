"""Write the page of a use case's rollouts.

Belongs here: from the file of looks to the page's file. Does not belong here: the page (`monitoring/rollout_page.py`), or the looks
(`rollout_history.py`).
"""

from dataclasses import asdict
from pathlib import Path

from platform_assets.deployment.serving_home import ServingHome
from platform_assets.monitoring.rollout_page import rollout_page
from platform_assets.pipelines.rollout_history import Look, read_history

PAGE = "rollouts.html"


def write_rollout_page(use_case: str, serving: ServingHome) -> tuple[Path, list[Look]]:
    """Weights, evidence and verdicts over time, with every decision.

    Args:
        use_case: name of the use case.
        serving: the folders.

    Returns:
        The page's file, and the looks that stand in it, oldest first.
    """
    looks = list(read_history(serving.rollout_history(use_case)))
    path = serving.report_folder(use_case) / PAGE
    path.write_text(rollout_page(use_case, [asdict(look) for look in looks]), encoding="utf-8")
    return path, looks
