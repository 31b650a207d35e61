"""`platform-assets lineage touched`: which predictions a bad file touched, what would have been answered without it, and a page to send on.

Belongs here: the command, its lists and files. Does not belong here: following the file (`pipelines/touched_by`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    import polars as pl

    from platform_assets.installation import Installation
    from platform_assets.pipelines.touched_by.file_rows import DeliveredFileRows
    from platform_assets.pipelines.touched_by.predictions import TouchedPredictions

SHOWN = 10
"""Predictions of each list that are printed for people."""


def touched(
    file: Annotated[
        str | None,
        typer.Argument(
            help="A file by its name, or SOURCE/YYYY-MM-DD, a day of a source; SOURCE alone where it has no days."
        ),
    ] = None,
    use_case: Annotated[
        str | None,
        typer.Option(autocompletion=use_case_names, help="Name of the use case; all are searched when left out."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="In place of a file what a version of a table brought: clean/SOURCE@7 or raw/SOURCE@7."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Score the touched predictions again without the file's rows.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write every touched prediction to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page for those whom it concerns to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which predictions were computed from rows of a file, and which a model answered that was trained on them."""
    from platform_assets.installation import Installation

    with answering(as_json) as answer:
        if (file is None) == (version is None):
            raise typer.BadParameter("name a file or, with --version, a version of a table")
        show(Installation.from_environment(), str(file or version), use_case, answer, again=again, csv=csv, html=html)


def show(
    installation: Installation,
    name: str,
    use_case: str | None,
    answer: CommandAnswer,
    *,
    again: bool = False,
    csv: Path | None = None,
    html: Path | None = None,
) -> None:
    """Find out and print.

    Raises:
        NotTraced: there is no such file, or it cannot be followed.
        LakeError: a table cannot be read.
    """
    from platform_assets.pipelines.touched_by.again import answers_without
    from platform_assets.pipelines.touched_by.predictions import touched_predictions

    rows = _file_rows(installation, name, use_case)
    installation.settings.prepare()
    found = touched_predictions(rows, installation.serving, installation.models.registry())
    by_features = answers_without(found, installation.serving, installation.models) if again else found.by_features
    document = _document(found, by_features, again=again)
    for key, value in document.items():
        answer.put(key, value)
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        _lines(found, by_features).write_csv(csv)
    if html is not None:
        from platform_assets.monitoring.touched_page import touched_page

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(touched_page(document, datetime.now(UTC).isoformat(timespec="seconds")), encoding="utf-8")
    _print(document, [path for path in (csv, html) if path is not None])


def _file_rows(installation: Installation, name: str, use_case: str | None) -> DeliveredFileRows:
    """The rows of the file, in the use case that knows it.

    Raises:
        NotTraced: none does, or several do.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.pipelines.touched_by.file_rows import NoSuchFile, NotTraced, find_file_rows

    found, refused = [], list[NotTraced]()
    for declared in declared_use_cases(use_case):
        try:
            found.append(find_file_rows(installation.catalog(declared.use_case), name))
        except NotTraced as error:
            refused.append(error)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.catalog.use_case.name for one in found)
        raise NotTraced(f"{names} know {name!r}: name one with --use-case")
    known = [error for error in refused if not isinstance(error, NoSuchFile)]
    raise (known or refused)[0]


def _document(found: TouchedPredictions, by_features: pl.DataFrame, *, again: bool) -> dict[str, Any]:
    models = [
        {
            "version": one.version,
            "predictions": one.predictions,
            "training_rows": None if one.training_set is None else one.training_set.rows,
            "touched_rows": None if one.training_set is None else one.training_set.touched,
            "why_not": one.why_not,
        }
        for one in found.models
    ]
    document: dict[str, Any] = {
        "use_case": found.file.catalog.use_case.name,
        "file": found.file.name,
        "source": found.file.source.name,
        "days": [str(day) for day in found.file.days if day is not None],
        "rows_delivered": found.file.delivered(),
        "rows_published": found.file.ever_published().height,
        "searched": found.searched,
        "models": models,
        "by_features": by_features.to_dicts(),
        "by_model_alone": found.by_model_alone.to_dicts(),
        "untold": found.untold.to_dicts(),
        "scored_again": 0,
    }
    if again:
        document["scored_again"] = by_features.drop_nulls("score_without").height
        document["flips"] = int(by_features["flips"].fill_null(False).sum())
    return document


def _lines(found: TouchedPredictions, by_features: pl.DataFrame) -> pl.DataFrame:
    """Every list in one table, with what each is in `touched_by`."""
    import polars as pl

    parts = {"features": by_features, "model": found.by_model_alone, "cannot be told": found.untold}
    named = [rows.with_columns(pl.lit(name).alias("touched_by")) for name, rows in parts.items()]
    whole = pl.concat(named, how="diagonal")
    return whole.with_columns(pl.col("features").list.join(" ")) if "features" in whole.columns else whole


def _print(document: dict[str, Any], written: list[Path]) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console

    features, alone, untold = (document[key] for key in ("by_features", "by_model_alone", "untold"))
    console.print(
        f"[bold]{document['use_case']}[/]: {escape(document['file'])} delivered {document['rows_delivered']:,} rows of "
        f"{document['source']}, of which {document['rows_published']:,} were published"
    )
    console.print(
        f"  {document['searched']:,} predictions looked at: [bold]{len(features):,}[/] have a row of it behind a feature, {len(alone):,} "
        f"were answered by a model that was trained on it alone, of {len(untold):,} it cannot be told"
    )
    for one in document["models"]:
        trained = (
            one["why_not"]
            or f"{one['touched_rows']:,} of {one['training_rows']:,} rows of its training set come from it"
        )
        console.print(
            f"  model version {escape(one['version'])}, {one['predictions']:,} predictions: {escape(trained)}"
        )
    if "flips" in document:
        console.print(
            f"  scored again without it: {document['scored_again']:,}, of which [bold]{document['flips']:,}[/] with another decision"
        )
    listing = Listing(
        "behind a feature",
        (
            ListedColumn("request_id", "request"),
            ListedColumn("event_day", "day"),
            ListedColumn("score", right=True, shown=lambda value: f"{value:.4f}"),
            ListedColumn("decision"),
            *(
                [ListedColumn("score_without", right=True, shown=lambda value: f"{value:.4f}")]
                if "flips" in document
                else []
            ),
            *([ListedColumn("decision_without")] if "flips" in document else []),
            ListedColumn("features", shown=lambda names: f"{len(names)}: {escape(', '.join(names[:3]))}"),
        ),
    )
    shown = sorted(features, key=lambda row: not row.get("flips"))[:SHOWN]
    for row in shown:
        listing.add(**{column.key: row[column.key] for column in listing.columns})
    if shown:
        console.print(listing.table())
    if len(features) > SHOWN:
        console.print(f"  [dim]and {len(features) - SHOWN:,} more: --csv FILE or --json has all[/]")
    for row in untold[:1]:
        console.print(f"  cannot be told of {len(untold):,}, for example: {escape(row['why'])}")
    for path in written:
        console.print(f"  written: {escape(str(path))}")
