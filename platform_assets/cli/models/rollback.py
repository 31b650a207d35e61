"""`platform-assets models rollback`: an earlier champion answers again.

Belongs here: what the command prints. Does not belong here: rolling back (`pipelines/roll_back.py`), or the run that does it
(`orchestration/by_hand.py`).
"""

from __future__ import annotations

from rich.markup import escape

from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import opened, system_user
from platform_assets.installation import Installation
from platform_assets.orchestration.by_hand import materialize_rollback
from platform_assets.pipelines.roll_back import BEHIND


def roll_back_to(name: str, to: str | None, why: str, who: str | None) -> None:
    """Materialize the rollback asset in this process and print what it did.

    Raises:
        RuntimeError: it was refused, or failed.
    """
    use_case, _, _, settings = opened(name)
    config = {"why": why, "who": who or system_user(), **({"to": to} if to else {})}
    back = materialize_rollback(use_case, Installation(settings), config)
    console.print(
        f"[bold]{name}[/]: version {back['model_version']} (as of {back['as_of']}) is champion of {back['environment']} again, "
        f"instead of version {back['rolled_back_from']}"
    )
    if use_case.is_realtime:
        console.print(f"  {back['address']} answers with release {back['release']}")
    for target in back.get(BEHIND, []):
        console.print(f"  [yellow]{escape(target)}[/]")
    console.print(
        f"[dim]version {back['rolled_back_from']} is not promoted again by itself; the next new model is. "
        f"Next: platform-assets models ledger {name}[/]"
    )
