"""`platform-assets docs`: the page of tools that can be chosen, from the registries in `platform_assets/declaration/options`.

Belongs here: the registries to Markdown. Does not belong here: the options, or the command (`cli/options.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from platform_assets.declaration.options.base import Option, ToolChoice
from platform_assets.declaration.options.registry import CHOICES

OPTIONS_PAGE = Path("docs") / "reference" / "options.md"
_TESTS = "platform_assets_tests"


def render_options() -> str:
    """The page as Markdown: a table for each choice."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield from (
        "# Tools that can be chosen",
        "",
        "Written by `make docs` from the registries in `platform_assets/declaration/options`; `platform-assets options list` shows the",
        "same. A value is *carried out* (the test of the last column holds it), *exported* (another tool runs a project that is generated",
        "here), or *refused* when the declaration is loaded, with a reason, a day and a way out. A key that belongs to another value than",
        "the declared one is refused too, with its line: no setting is ignored.",
    )
    for field in CHOICES:
        yield from _table(CHOICES[field])


def _table(choice: ToolChoice[Any]) -> Iterator[str]:
    yield from ("", f"## `{choice.field}`", "", f"{choice.decides}. `{choice.default}` where it is not declared.", "")
    yield from ("| Value | Standing | What it is, or why not | Keys of its own | Held by |", "|---|---|---|---|---|")
    for name in choice.options:
        option = choice.options[name]
        keys = ", ".join(f"`{key}`" for key in option.own_keys)
        yield f"| `{name}` | {_standing(option)} | {_note(option)} | {keys} | {_held_by(option)} |"


def _standing(option: Option) -> str:
    return option.standing if option.refused is None else f"refused since {option.refused.day}"


def _note(option: Option) -> str:
    if option.refused is not None:
        return f"{option.refused.reason[0].upper()}{option.refused.reason[1:]}. {option.refused.way_out}"
    return f"{option.means}. Without {option.lacks}" if option.lacks else option.means


def _held_by(option: Option) -> str:
    file, _, test = option.held_by.partition("::")
    return f"[`{test}`](../../{_TESTS}/{file})"
