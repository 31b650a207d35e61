"""Where more stands: Dagster, MLflow, model card, reports.

Belongs here: addresses and files that are there. Does not belong here: writing any of them.
"""

from platform_assets.declaration import UseCase
from platform_assets.deployment.registry import KUBERNETES
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.monitoring.use_case_page.state import Link, ModelState, WindowState
from platform_assets.pipelines.addresses import DAGSTER, card_name, drift_report_name, without_user
from platform_assets.pipelines.write_rollout_page import PAGE


def links(
    use_case: UseCase, serving: ServingHome, mlflow: str, model: ModelState | None, windows: tuple[WindowState, ...]
) -> tuple[Link, ...]:
    """Addresses, then the reports that exist; those can be had at the address as well."""
    found = [Link(title="Dagster", address=f"{DAGSTER}/asset-groups")]
    if mlflow.startswith(("http://", "https://")):
        found.append(Link(title="MLflow", address=without_user(mlflow)))
    folder = serving.report_folder(use_case.name)
    files = {"Rollouts": PAGE}
    if model is not None:
        files["Model card"] = card_name(model.version)
    if drift := next((window for window in windows if window.monitor == "drift"), None):
        files["Drift report"] = drift_report_name(drift.day)
    for title, name in files.items():
        if (folder / name).is_file():
            address = report_path(use_case, name)
            found.append(Link(title=title, address=address, file=f"reports/{use_case.name}/{name}"))
    return tuple(found)


def served_page(serving: ServingHome, path: str) -> str | None:
    """Address at which the doors of this machine show a written page, while anything is deployed here; None where they do not.

    Args:
        serving: whose doors.
        path: of the page, such as that of `report_path`.
    """
    return f"{serving.target().address()}{path}" if serving.kind != KUBERNETES else None


def report_path(use_case: UseCase, name: str) -> str:
    """Path of a report's page."""
    return f"/v1/pages/reports/{use_case.name}/{name}"


def page_path(use_case: UseCase) -> str:
    """Path of the page of a use case."""
    return f"/v1/{use_case.name}/page"
