"""`platform-assets models reproduce`: a registered model made again, and what differs.

Belongs here: the command's table. Does not belong here: making the model (`pipelines/reproduce.py`).
"""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from platform_assets.cli.console import console
from platform_assets.cli.models.commands import named_version, opened, split_model
from platform_assets.installation import Installation
from platform_assets.pipelines.reproduce import Reproduction, changed_code, reproduce


def reproduce_version(model: str) -> bool:
    """Make a version again and print what was found.

    Returns:
        Whether it is the same to the bit, as far as machine, libraries and code are those that made it.

    Raises:
        RegistryError: the version cannot be reproduced.
        LakeError: the data that it was made from is gone.
    """
    name, number = split_model(model)
    use_case, registry, _, settings = opened(name)
    version = named_version(registry, name, number)
    found = reproduce(use_case, Installation(settings).lake, registry, version, lambda line: console.print(f"» {line}"))
    show(name, found)
    return found.is_exact or not (found.same_machine and found.same_code)


def show(name: str, found: Reproduction) -> None:
    """Print a reproduction."""
    table = Table(title=f"{name} version {found.version.version}", box=None, pad_edge=False)
    for title in ("", "then", "now", ""):
        table.add_column(title, justify="left" if not title else "right")
    table.add_row("training rows", f"{found.rows_then:,}", f"{found.rows_now:,}", _same(found.same_rows))
    for metric, (then, now) in found.metrics.items():
        table.add_row(metric, f"{then:.6f}", f"{now:.6f}", _same(then == now or (then != then and now != now)))
    digests = [digest.removeprefix("sha256:")[:16] for digest in (found.digest_then, found.digest_now)]
    table.add_row("model", *digests, _same(found.digest_then == found.digest_now))
    console.print(table)
    spent = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in found.seconds.items())
    console.print(f"[dim]{spent}[/]")
    code = changed_code(found.version)
    if code:
        console.print(f"[dim]{code}[/]")
    if found.is_exact:
        console.print("[bold green]the same to the bit[/]")
        console.print(f"[dim]next: platform-assets models ledger {name}[/]")
        return
    for difference in found.differences:
        console.print(f"[yellow]{escape(difference)}[/]")
    if found.same_machine and found.same_code:
        console.print(
            "[bold red]not reproduced[/], on the kind of machine and with the libraries and the code that made it. Next: look for what "
            "is not seeded in the learner, and for hidden inputs"
        )
    else:
        console.print(
            "[bold yellow]not the same to the bit[/], as can be on another kind of machine, with other libraries or other code. Next: "
            "judge the differences above, or reproduce it where it was made"
        )


def _same(same: bool) -> str:
    return "[green]same[/]" if same else "[red]differs[/]"
