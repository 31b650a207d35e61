"""`platform-assets models reproduce`: a registered model made again, and what differs.

Belongs here: the command's table. Does not belong here: making the model (`pipelines/reproduce.py`).
"""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from platform_assets.cli.answer import CommandAnswer, plain_table
from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import named_version, opened, split_model
from platform_assets.installation import Installation
from platform_assets.pipelines.reproduce import Reproduction, changed_code, reproduce


def reproduce_version(model: str, answer: CommandAnswer) -> bool:
    """Make a version again and print what came of it.

    Returns:
        Whether it is the same to the bit, as far as machine, libraries and code are those that made it.

    Raises:
        RegistryError: the version cannot be reproduced.
        LakeError: the data that it was made from is gone.
    """
    name, number = split_model(model)
    use_case, registry, _, settings = opened(name)
    version = named_version(registry, name, number)
    result = reproduce(
        Installation(settings).catalog(use_case), registry, version, lambda line: console.print(f"» {line}")
    )
    answer.put("reproduction", {**_plain(result), "use_case": name, "is_exact": result.is_exact})
    show(name, result)
    return result.is_exact or not (result.same_machine and result.same_code)


def _plain(result: Reproduction) -> dict[str, Any]:
    """The result for programs."""
    kept = (
        "rows_then",
        "rows_now",
        "metrics",
        "digest_then",
        "digest_now",
        "seconds",
        "differences",
        "same_machine",
        "same_code",
    )
    return {"version": result.version.version, **{key: getattr(result, key) for key in kept}}


def show(name: str, result: Reproduction) -> None:
    """Print a reproduction."""
    table = plain_table("", "then", "now", "", title=f"{name} version {result.version.version}", right=("then", "now"))
    table.add_row("training rows", f"{result.rows_then:,}", f"{result.rows_now:,}", _same(result.same_rows))
    for metric, (then, now) in result.metrics.items():
        table.add_row(metric, f"{then:.6f}", f"{now:.6f}", _same(then == now or (then != then and now != now)))
    digests = [digest.removeprefix("sha256:")[:16] for digest in (result.digest_then, result.digest_now)]
    table.add_row("model", *digests, _same(result.digest_then == result.digest_now))
    console.print(table)
    spent = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in result.seconds.items())
    console.print(f"[dim]{spent}[/]")
    code = changed_code(result.version)
    if code:
        console.print(f"[dim]{code}[/]")
    if result.is_exact:
        console.print("[bold green]the same to the bit[/]")
        console.print(f"[dim]next: platform-assets models ledger {name}[/]")
        return
    for difference in result.differences:
        console.print(f"[yellow]{escape(difference)}[/]")
    if result.same_machine and result.same_code:
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
