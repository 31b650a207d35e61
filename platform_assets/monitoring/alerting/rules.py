"""All alert rules of an installation, made from its declarations.

Belongs here: putting the groups together, and the labels that all alerts of a use case have. Does not belong here: single alerts
(`service_rules.py`, `data_rules.py`, `run_rules.py`), or the words of a monitoring stack (`stacks/`).
"""

from __future__ import annotations

from platform_assets.declaration import UseCase
from platform_assets.monitoring.alerting.alerts import RuleGroup
from platform_assets.monitoring.alerting.data_rules import data_group
from platform_assets.monitoring.alerting.run_rules import installation_group, run_group
from platform_assets.monitoring.alerting.service_rules import objective_groups, service_group

__all__ = ["installation_group", "use_case_groups"]


def use_case_groups(use_case: UseCase) -> list[RuleGroup]:
    """The alerts of a use case; every one carries its name and its owner."""
    labels = {"use_case": use_case.name, "owner": use_case.owner}
    serving = (
        [*objective_groups(use_case, labels), service_group(use_case, labels)] if use_case.answers_requests else []
    )
    return [*serving, data_group(use_case, labels), run_group(use_case, labels)]
