"""`platform-assets docs`: the page of tools that can be chosen, from the registries and from what their tests came to.

Belongs here: registries and results to Markdown. Does not belong here: the options (`declaration/options`), the command (`cli/options.py`),
or running the tests (`deploy/ci/options_matrix.py`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platform_assets.declaration.options.base import Option, ToolChoice
from platform_assets.declaration.options.registry import CHOICES

OPTIONS_PAGE = Path("docs") / "reference" / "options.md"
OPTION_RESULTS = Path("docs") / "reference" / "options-tests.json"
"""What the named tests came to when they were last run, and on which day."""
Results = Mapping[str, Mapping[str, Any]]
_TESTS = "platform_assets_tests"


def option_results(root: Path = Path()) -> Results:
    """The results by test, `file::function`; none where they were never run."""
    path = root / OPTION_RESULTS
    results: Results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return results


def render_options(results: Results) -> str:
    """The page as Markdown: a table for each choice."""
    return "\n".join(_lines(results)).rstrip() + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield from (
        "# Tools that can be chosen",
        "",
        "Written by `make docs` from the registries in `platform_assets/declaration/options` and from what their tests came to",
        "(`make options-test`); `platform-assets options list` shows the same. A value is *carried out* (a test holds it), *exported*",
        "(another tool runs a project that is generated here), or *refused* when the declaration is loaded, with a reason, a day and a",
        "way out. A key that belongs to another value than the declared one is refused too, with its line: no setting is ignored.",
    )
    for field in CHOICES:
        yield from _table(CHOICES[field], results)


def _table(choice: ToolChoice[Any], results: Results) -> Iterator[str]:
    yield from ("", f"## `{choice.field}`", "", f"{choice.decides}. `{choice.default}` where it is not declared.", "")
    yield from (
        "| Value | Standing | What it is, or why not | Keys of its own | Held by | Seen |",
        "|---|---|---|---|---|---|",
    )
    for name in choice.options:
        option = choice.options[name]
        keys = ", ".join(f"`{key}`" for key in option.own_keys)
        yield f"| `{name}` | {_standing(option)} | {_note(option)} | {keys} | {_held_by(option)} | {_seen(option, results)} |"


def _standing(option: Option) -> str:
    return option.standing if option.refused is None else f"refused since {option.refused.day}"


def _note(option: Option) -> str:
    if option.refused is not None:
        return f"{option.refused.reason[0].upper()}{option.refused.reason[1:]}. {option.refused.way_out}"
    return f"{option.means}. Without {option.lacks}" if option.lacks else option.means


def _held_by(option: Option) -> str:
    file, _, test = option.held_by.partition("::")
    return f"[`{test}`](../../{_TESTS}/{file})"


def _seen(option: Option, results: Results) -> str:
    found = results.get(option.held_by)
    if found is None:
        return "not run"
    what = "red" if found["failed"] else "passed" if found["passed"] else "skipped"
    return f"{what}, {found['day']}"
