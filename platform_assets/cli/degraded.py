"""`platform-assets degraded`: the standing order of a use case's services, and a person's word that ends it.

Belongs here: the command and what it prints. Does not belong here: the order itself (`declaration/standing_order.py`).
"""

from typing import Annotated

import typer

from platform_assets.cli.answer import AsJson, answering
from platform_assets.cli.completion import use_case_names


def degraded(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    lift: Annotated[bool, typer.Option("--lift", help="End the order; the same cause gives none again.")] = False,
    why: Annotated[str, typer.Option(help="Why it is lifted; kept with the order.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show whether answers are under review or refused by `monitoring.degrade`, and lift that."""
    from platform_assets.cli.console import console
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.declaration.standing_order import read_order, write_order
    from platform_assets.installation import Installation

    with answering(as_json) as answer:
        [declared] = declared_use_cases(use_case)
        folder = Installation.from_environment().serving.log_folder(declared.use_case.name)
        order = read_order(folder)
        answer.put("use_case", declared.use_case.name)
        answer.put("order", order)
        if order is None or not order.is_in_force:
            console.print(f"{use_case}: no standing order is in force.")
            return
        if lift:
            if not why.strip():
                raise ValueError("say why: --why is kept with the order for those who look later")
            order = order.model_copy(update={"lifted_by": system_user(), "lifted_because": why.strip()})
            write_order(folder, order)
            console.print(f"{use_case}: lifted; the model's answers are given again.")
            return
        console.print(f"{use_case}: {order.then} since {order.since}: {order.why}. Told: {order.tell}.", markup=False)
        console.print(f"next: platform-assets degraded {use_case} --lift --why '...'", markup=False)
