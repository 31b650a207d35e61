"""`platform-assets features`: what an entity's features are at a moment, which events made them, and the event stream.

Belongs here: the commands and what they print. Does not belong here: the account of events (`features/consistency/explain.py`), the stream
(`features/streaming/writer.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from datetime import date, datetime

app = typer.Typer(no_args_is_help=True, help="Features of an entity, the events that made them, and the event stream.")

_ENTITY = Annotated[str, typer.Argument(help="An entity's name or key and its value, such as `customer=17`.")]
_AT = Annotated[
    str,
    typer.Option(
        "--at", help="Moment, ISO 8601; without an offset it is UTC. An event's own time gives that event's row."
    ),
]
_USE_CASE = Annotated[str | None, typer.Option("--use-case", help="Needed where several use cases know the entity.")]
_ONLINE = Annotated[bool, typer.Option("--online", help="Put the online store's values beside.")]


@app.command()
def show(
    entity: _ENTITY, at: _AT, use_case: _USE_CASE = None, online: _ONLINE = False, as_json: AsJson = False
) -> None:
    """Print every feature of an entity at a moment, from the lake."""
    from platform_assets.cli.features.values import show_features

    with answering(as_json) as answer:
        same = show_features(entity, _moment(at), use_case, answer, online=online)
    if not same:
        raise typer.Exit(1)


@app.command()
def explain(
    entity: _ENTITY,
    at: _AT,
    use_case: _USE_CASE = None,
    online: _ONLINE = False,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="Only these; may be given several times.")
    ] = None,
    events: Annotated[int, typer.Option(min=0, help="At most so many events of each kind for each feature.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Print each window's edges, the events that counted, and why the others did not."""
    from platform_assets.cli.features.values import explain_features

    with answering(as_json) as answer:
        same = explain_features(
            entity, _moment(at), use_case, answer, online=online, features=feature or [], most=events
        )
    if not same:
        raise typer.Exit(1)


@app.command()
def publish(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    view: Annotated[list[str] | None, typer.Option("--view", help="Only these; may be given several times.")] = None,
    first: Annotated[str | None, typer.Option(help="First day; the first stored one when left out.")] = None,
    last: Annotated[str | None, typer.Option(help="Last day; the last stored one when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish stored days of feature tables in the declared feature store, again or for the first time; each is read again."""
    from platform_assets.cli.features.publish import publish_tables

    with answering(as_json) as answer:
        publish_tables(use_case, view or [], _day(first), _day(last), answer)


@app.command()
def stream(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read JSON lines from standard input, not the declared topic.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background, kept alive by the process manager of `make run`.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="Stop the one in the background.")] = False,
) -> None:
    """Keep the online store fresh from the event stream, until interrupted; it goes on where it stopped."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.features.stream import detach_stream, end_stream, stream_events

    with fail_readably():
        if end:
            end_stream(use_case)
        elif detach:
            detach_stream(use_case)
        else:
            stream_events(use_case, from_stdin=stdin)


def _day(text: str | None) -> date | None:
    """The day in an option.

    Raises:
        typer.BadParameter: it is none.
    """
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day, such as 2018-08-01") from error


@app.command()
def feast(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the folder with `feature_store.yaml` again, and print where it is and what can be typed there."""
    from platform_assets.cli.features.feast import show_feast

    with answering(as_json) as answer:
        show_feast(use_case, answer)


def _moment(text: str) -> datetime:
    """The time in an option, in UTC.

    Raises:
        typer.BadParameter: it is none.
    """
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time in ISO 8601, such as 2018-08-01T12:00:00Z") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
