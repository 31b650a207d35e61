"""`platform-assets lineage`: where a column comes from, and what is made from it, with the versions of the tables.

Belongs here: the commands' group, and the command about columns with its tree. Does not belong here: the graph (`lake/lineage/`), what a
file touched (`touched.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from platform_assets.cli import touched
from platform_assets.cli.answer import AsJson, CommandAnswer, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.tree import Tree

    from platform_assets.declaration import UseCase
    from platform_assets.lake.lineage.graph import ColumnOf, Lineage
    from platform_assets.lake.table import LakeTable

_MOST_TREES = 6
COLUMN = "column"


class ColumnsUnlessNamed(TyperGroup):
    """`lineage USE_CASE COLUMN` is `lineage column USE_CASE COLUMN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name in where none was typed."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [COLUMN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ColumnsUnlessNamed,
    no_args_is_help=True,
    help="Where a column comes from (`lineage USE_CASE COLUMN`), and which predictions a file touched.",
)
app.command()(touched.touched)


@app.command(COLUMN)
def lineage(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    column: Annotated[str, typer.Argument(help="`column`, `table.column` or `layer/table.column`.")],
    up: Annotated[bool, typer.Option("--up", help="Only what the column comes from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what is made from the column.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            help="Show the table versions that a version of the model was made from: its number, or an alias."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a column comes from and what is made from it, in which versions of the tables."""

    with answering(as_json) as answer:
        show(use_case, column, answer, up=up or not down, down=down or not up, model=model)


def show(name: str, column: str, answer: CommandAnswer, *, up: bool, down: bool, model: str | None) -> None:
    """Print the trees.

    Raises:
        ValueError: when there is no such use case or column.
        RegistryError: when there is no such version of the model.
    """
    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.lake.lineage.use_case import lineage as graph_of

    use_case = declared_use_cases(name)[0].use_case
    graph = graph_of(use_case)
    nodes = _columns_named(graph, use_case, column)
    versions, what = _versions(use_case, graph, model)
    answer.put("use_case", name)
    answer.put("versions", dict(versions))
    console.print(f"[dim]versions: {what}[/]")
    for upward in [True] * up + [False] * down:
        ends = _ends(graph, nodes, up=upward)
        answer.put(
            "comes_from" if upward else "goes_into", {str(node): _edges(graph, node, up=upward) for node in ends}
        )
        for node in ends[:_MOST_TREES]:
            console.print(_tree(graph, node, versions, up=upward))
        if len(ends) > _MOST_TREES:
            others = ", ".join(str(node) for node in ends[_MOST_TREES:])
            console.print(f"[dim]{len(ends) - _MOST_TREES} more columns have this name: {others}[/]")


def _columns_named(graph: Lineage, use_case: UseCase, column: str) -> list[ColumnOf]:
    """The columns of that name.

    Raises:
        ValueError: when there is none.
    """
    nodes = graph.find(column)
    if nodes:
        return nodes
    import difflib

    names = sorted({node.column for node in graph.nodes})
    close = difflib.get_close_matches(column.rpartition(".")[2], names, n=5, cutoff=0.5)
    hint = f"; close names: {', '.join(close)}" if close else ""
    raise ValueError(
        f"{use_case.name} has no column {column!r}{hint}. Write column, table.column or layer/table.column"
    )


def _ends(graph: Lineage, nodes: Sequence[ColumnOf], *, up: bool) -> list[ColumnOf]:
    """Where to begin: of columns of one name that follow each other, the last one to go up from, the first to go down."""
    from platform_assets.lake.lineage.graph import REQUEST

    edges = graph.goes_into.get if up else graph.made_from.get
    ends = [node for node in nodes if not set(edges(node, ())) & set(nodes)]
    return [node for node in ends if node.layer != REQUEST] or ends


def _versions(use_case: UseCase, graph: Lineage, model: str | None) -> tuple[Mapping[str, int], str]:
    """Delta version by `layer/table`, and what they are the versions of."""
    from platform_assets.installation import Installation
    from platform_assets.lake.pins import data_version_pins
    from platform_assets.registry.errors import RegistryError
    from platform_assets.registry.pins import DATA_VERSIONS

    installation = Installation.from_environment()
    catalog = installation.catalog(use_case)
    stored = {name: catalog.stored(name) for name in catalog.stored_names()}
    if model is None:
        latest = {name: table.version() for name, table in stored.items()}
        return {
            name: version for name, version in latest.items() if version is not None
        }, "of the tables as they are now"
    installation.settings.prepare()
    registry = installation.models.registry()
    version = registry.get(use_case.name, model) if model.isdecimal() else registry.by_alias(use_case.name, model)
    if version is None:
        raise RegistryError(f"no version of model {use_case.name!r} has the alias {model!r}; name a version, such as 1")
    pins = data_version_pins(version.tag_json(DATA_VERSIONS) or {}, "model", "")
    read = {pin.table.partition("/")[2]: pin.version for pin in pins}
    further = _versions_further_up(graph, read, stored)
    subject = f"that model version {version.version} (as of {version.tags.get('as_of')}) was made from"
    return {**further, **read, f"model/{use_case.model_name}": int(version.version)}, subject


def _versions_further_up(
    graph: Lineage, made_from: Mapping[str, int], tables: Mapping[str, LakeTable]
) -> dict[str, int]:
    """Versions of the tables above those that a model was made from: the latest that these can have been made from.

    What was committed to a table above when the one below was committed is all that it can have read.
    """
    above: dict[str, set[str]] = {}
    for node in graph.nodes:
        below = f"{node.layer}/{node.table}"
        above.setdefault(below, set()).update(f"{origin.layer}/{origin.table}" for origin in graph.origins(node))
    versions: dict[str, int] = {}
    waiting = [
        (name, entry.committed_at)
        for name, version in made_from.items()
        if name in tables
        for entry in tables[name].history(None)
        if entry.version == version
    ]
    while waiting:
        name, moment = waiting.pop()
        for upper in above.get(name, set()) & set(tables) - set(made_from):
            entry = next((entry for entry in tables[upper].history(None) if entry.committed_at <= moment), None)
            if entry is not None and entry.version > versions.get(upper, -1):
                versions[upper] = entry.version
                waiting.append((upper, entry.committed_at))
    return versions


def _edges(graph: Lineage, node: ColumnOf, *, up: bool) -> dict[str, list[str]]:
    """Each column on the way, with those next to it, for programs."""
    following = graph.origins if up else lambda node: graph.goes_into.get(node, ())
    found: dict[str, list[str]] = {}
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if str(one) not in found:
            found[str(one)] = sorted(map(str, following(one)))
            waiting += following(one)
    return found


def _tree(graph: Lineage, node: ColumnOf, versions: Mapping[str, int], *, up: bool) -> Tree:
    from rich.tree import Tree

    edges = graph.origins if up else lambda node: graph.goes_into.get(node, ())
    direction = "comes from" if up else "goes into"
    tree = Tree(f"[bold]{_label(node, versions)}[/] {direction}{'' if edges(node) else ' nothing'}")
    shown: set[ColumnOf] = set()

    def grow(branch: Tree, node: ColumnOf) -> None:
        leaves: dict[str, list[str]] = {}
        for following in sorted(edges(node)):
            label = _label(following, versions)
            if not edges(following):
                table = _label(following, versions, whole=False)
                leaves.setdefault(table, []).append(following.column)
            elif following in shown:
                branch.add(f"{label} [dim](as above)[/]")
            else:
                shown.add(following)
                grow(branch.add(label), following)
        for table, columns in leaves.items():
            branch.add(f"{table}: {', '.join(columns)}")

    grow(tree, node)
    return tree


def _label(node: ColumnOf, versions: Mapping[str, int], *, whole: bool = True) -> str:
    """The column, or its table alone, with the table's version."""
    from rich.markup import escape

    version = versions.get(f"{node.layer}/{node.table}")
    name = escape(str(node) if whole else f"{node.layer}/{node.table}")
    return name + (f" [dim]version {version}[/]" if version is not None else "")
