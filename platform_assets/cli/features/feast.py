"""`platform-assets features feast`: the folder that Feast's own tools are started in.

Belongs here: writing it again and what is printed. Does not belong here: its files (`features/feast_repository/`).
"""

from rich.markup import escape

from platform_assets.cli.answer import CommandAnswer
from platform_assets.cli.console import console
from platform_assets.declaration.loader import declared_use_cases


def show_feast(name: str | None, answer: CommandAnswer) -> None:
    """Write each use case's folder, and print what can be typed there.

    Raises:
        StateError: a use case's online store was never filled.
    """
    from platform_assets.features.feast_repository.views import write_repository
    from platform_assets.features.online.feast_connection import feast_store
    from platform_assets.features.online.request_features import require_service
    from platform_assets.installation import Installation

    installation = Installation.from_environment()
    for declared in declared_use_cases(name):
        use_case = declared.use_case
        settings = installation.feature_store.settings(use_case)
        require_service(use_case, feast_store(settings))
        folder = write_repository(use_case, settings, installation.lake.root)
        views = [view.name for view in use_case.features]
        answer.add(
            "use_cases", {"use_case": use_case.name, "folder": str(folder), "views": views, "service": use_case.name}
        )
        console.print(
            f"[bold]{use_case.name}[/]: {len(use_case.feature_names)} features in {', '.join(views)}; "
            f"feature service {use_case.name}"
        )
        for line in (f"cd {folder}", "feast features list", f"feast on-demand-feature-views describe {views[0]}"):
            console.print(f"  {escape(line)}")
