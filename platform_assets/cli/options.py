"""`platform-assets options`: which tools can be chosen, which are refused, and what became of them here.

Belongs here: the command and what it prints. Does not belong here: the options (`declaration/options/`), or the page
(`cli/options_reference.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering

if TYPE_CHECKING:
    from platform_assets.declaration.options.base import ToolChoice

app = typer.Typer(no_args_is_help=True, help="Tools that a use case can choose.")


@app.callback()
def _options() -> None:
    """Tools that a use case can choose."""


@app.command(name="list")
def list_options(
    choice: Annotated[
        str | None, typer.Argument(help="A field of the declaration, such as `tracking`; all choices when left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every value of every choice: carried out, exported or refused, with reason, day and way out."""
    from platform_assets.declaration.loader import every_declaration
    from platform_assets.declaration.options.registry import CHOICES
    from platform_assets.members import UnknownName, meant_and_known

    with answering(as_json) as answer:
        if choice is not None and choice not in CHOICES:
            raise UnknownName(f"there is no choice {choice!r}; {meant_and_known(choice, CHOICES)}")
        use_cases, _ = every_declaration()
        for field in CHOICES if choice is None else [choice]:
            chosen = {declared.use_case.name: CHOICES[field].declared_in(declared.use_case) for declared in use_cases}
            _show(CHOICES[field], chosen, answer)


def _show(choice: ToolChoice[Any], chosen: dict[str, str], answer: CommandAnswer) -> None:
    """The values of one choice, and which use case declares which."""
    columns = (
        ListedColumn("choice", hidden=True),
        ListedColumn("value"),
        ListedColumn("standing"),
        ListedColumn("means", hidden=True),
        ListedColumn("lacks", hidden=True),
        ListedColumn("since", shown=str),
        ListedColumn("reason", hidden=True),
        ListedColumn("way_out", hidden=True),
        ListedColumn("own_keys", title="keys of its own", shown=", ".join),
        ListedColumn("use_cases", title="declared by", shown=", ".join),
        ListedColumn("note", title="what it is, or why not"),
    )
    listing = Listing(f"{choice.field}: {choice.decides}; {choice.default} where it is not declared", columns)
    for name in choice.options:
        option = choice.options[name]
        refused = option.refused
        note = option.means if refused is None else f"{refused.reason}. {refused.way_out}"
        listing.add(
            choice=choice.field,
            value=name,
            standing=option.standing,
            means=option.means,
            lacks=option.lacks or None,
            since=None if refused is None else refused.day.isoformat(),
            reason=None if refused is None else refused.reason,
            way_out=None if refused is None else refused.way_out,
            own_keys=list(option.own_keys),
            use_cases=[use_case for use_case, value in chosen.items() if value == name],
            note=f"{note}; without {option.lacks}" if option.lacks and refused is None else note,
        )
    answer.show("options", listing)
