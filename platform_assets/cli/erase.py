"""`platform-assets erase`: an entity taken out of lake, log and online store, on request.

Belongs here: the command and what it prints. Does not belong here: erasing (`pipelines/erase`).
"""

from typing import Annotated

import typer


def erase(
    use_case: Annotated[str, typer.Argument(help="Name of the use case.")],
    entity: Annotated[str, typer.Option(help="Whose rows go, such as `account=7`.")],
    why: Annotated[str, typer.Option(help="Why, for the record; write nothing personal.")] = "",
    also_pinned: Annotated[
        bool,
        typer.Option(
            "--also-pinned", help="Versions go too that models were made from: these cannot be made again then."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
) -> None:
    """Erase an entity from every table and version, the online store and the log; the chain of the log stays whole."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation

    with fail_readably():
        if not dry_run and not why.strip():
            raise ValueError("say why: --why is kept with the record of the erasure")
        from datetime import UTC, datetime

        from platform_assets.pipelines.erase.erase import ErasureRequest, erase_entity
        from platform_assets.pipelines.erase.online import erase_online
        from platform_assets.pipelines.erase.person import named_entity
        from platform_assets.pipelines.maintain import read_pins

        installation = Installation.from_environment()
        [declared] = declared_use_cases(use_case)
        catalog = installation.catalog(declared.use_case)
        who = named_entity(catalog, entity)
        pins = read_pins(catalog, installation.models.registry(), datetime.now(UTC)).pins
        feast = installation.feature_store.settings(declared.use_case)
        store = (lambda: erase_online(catalog, who, feast, console.print)) if declared.use_case.is_realtime else None
        request = ErasureRequest(system_user(), why.strip(), also_pinned, dry_run)
        erased = erase_entity(
            catalog, who, installation.serving, pins, request, store, lambda line: console.print(f"  {line}")
        )
        word = "would be erased" if dry_run else "erased"
        if erased.found_nothing:
            console.print(f"{use_case}: there is nothing of {entity}.")
            return
        rows, files = sum(one.rows for one in erased.tables), sum(one.old_files for one in erased.tables)
        console.print(
            f"{use_case}: {rows:,} rows of {len(erased.tables)} tables and {files} files of older versions {word}",
            markup=False,
        )
        console.print(
            f"  log: {erased.lines.lines} lines in {erased.lines.segments} segments {word}; its chain stays whole",
            markup=False,
        )
        for line in erased.online:
            console.print(f"  online store: {line}", markup=False)
        for line in erased.left:
            console.print(f"  left: {line}", markup=False)
        if not dry_run:
            console.print(f"  recorded as {erased.erasure}: {erased.entity}", markup=False)
            console.print(f"next: platform-assets audit verify {use_case}", markup=False)
