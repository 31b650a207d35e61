"""A use case as a project of Apache Airflow.

Belongs here: its files. Does not belong here: the plan, or running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from platform_assets.pipelines.export.plan import ExportPlan
from platform_assets.pipelines.export.rendering import project_file, what_is_missing

_REQUIREMENTS = "apache-airflow==3.3.2\n"
_ENVIRONMENT = """\
# Where Airflow keeps its state, and that it reports to nobody. Use with: . ./environment.sh
export AIRFLOW_HOME="${AIRFLOW_HOME:-$PWD/airflow-home}"
export AIRFLOW__CORE__DAGS_FOLDER="$PWD/dags"
export AIRFLOW__CORE__LOAD_EXAMPLES=false
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=false
export SCARF_ANALYTICS=false
export DO_NOT_TRACK=1
"""


@dataclass(frozen=True)
class AirflowProject:
    """A DAG, and the runner of its tasks."""

    def files(self, plan: ExportPlan) -> Mapping[str, str]:
        """The text of each file, by its path."""
        waits = len(plan.waits_seconds)
        retries = (
            f"a step that failed otherwise is tried {waits} times again, after {plan.waits_seconds[0] // 60} minutes, then twice as long "
            f"each time, {plan.waits_seconds[-1] // 3600} hours at most"
        )
        missing = what_is_missing(plan, "airflow", retries)
        return {
            "README.md": project_file("airflow_readme.md.j2", plan, missing=missing),
            "requirements.txt": _REQUIREMENTS,
            "environment.sh": _ENVIRONMENT,
            f"dags/{plan.use_case}.py": project_file("airflow_dag.py.j2", plan),
            f"dags/{plan.use_case}_step.py": project_file("platform_step.py.j2", plan),
        }

    def how_to_run(self, plan: ExportPlan) -> str:
        """What to type."""
        return f'. ./environment.sh; airflow db migrate; airflow dags test {plan.use_case} DAY -c \'{{"since": "{plan.first_day}"}}\''


AIRFLOW: Final = AirflowProject()
