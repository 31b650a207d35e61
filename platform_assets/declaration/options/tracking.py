"""`tracking`: which tool keeps runs of trainings.

Belongs here: its values. Does not belong here: trackers (`registry/`), or the registry of models, which is MLflow's in any case.
"""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, OptionRefusal, ToolChoice
from platform_assets.members import MemberRegistry

_CLEARML = "its client 2.1.12 asks updates.clear.ml for newer versions in its offline mode too, and takes 11 s to close each run there"
MLFLOW = Option(
    "mlflow",
    means="Runs, parameters, metrics and artifacts stand in MLflow, beside the registry of models",
    proven_by="contracts/test_trackers.py::test_a_nested_run_keeps_what_was_logged",
)
WANDB = Option(
    "wandb",
    means="Runs stand in Weights & Biases' own files below the home, for `wandb sync`; models stay in MLflow's registry",
    proven_by="pipeline/test_tracked_beside.py::test_wandb_has_the_run_with_its_link_and_mlflow_has_the_model",
)
CLEARML = Option(
    "clearml",
    means="Runs stand in ClearML; models stay in MLflow's registry",
    refused=OptionRefusal(_CLEARML, date(2026, 12, 1), "Declare `mlflow` or `wandb`"),
)
NEPTUNE = Option(
    "neptune",
    means="Runs would stand in Neptune",
    refused=OptionRefusal("its makers ended the service on that day", date(2026, 3, 5), "Declare `mlflow`"),
)

_MODULE = "platform_assets.declaration.options.tracking"
TRACKING: ToolChoice[Option] = ToolChoice(
    "tracking",
    "Which tool keeps runs of trainings; the registry of models is MLflow's in any case",
    "mlflow",
    MemberRegistry(
        "tracking tool",
        {
            "mlflow": f"{_MODULE}:MLFLOW",
            "wandb": f"{_MODULE}:WANDB",
            "clearml": f"{_MODULE}:CLEARML",
            "neptune": f"{_MODULE}:NEPTUNE",
        },
    ),
)
TrackingName = Annotated[str, BeforeValidator(TRACKING.allowed), WithJsonSchema(TRACKING.schema)]
"""What `tracking` may say."""
