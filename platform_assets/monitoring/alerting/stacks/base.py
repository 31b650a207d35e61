"""What every monitoring stack does with alerts.

Belongs here: the Protocol, and what stacks share. Does not belong here: any stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from platform_assets.declaration import UseCase
from platform_assets.monitoring.alerting.alerts import Alert, RuleGroup
from platform_assets.monitoring.alerting.receivers import Receiver
from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups

RUNBOOKS = "docs/operations/runbooks.md"
INSTALLATION = "platform"


@dataclass(frozen=True)
class AlertedWorld:
    """What alerts are rendered for.

    Attributes:
        use_cases: whose stack it is.
        receivers: of the installation, by name.
        runbooks: address of the runbooks.
        address: `host:port` that services are reached at.
        exporter: `host:port` of the platform's own metrics.
        template: text of a Jinja template, for a stack of one's own.
    """

    use_cases: tuple[UseCase, ...]
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    runbooks: str = RUNBOOKS
    address: str = "127.0.0.1:8700"
    exporter: str = "127.0.0.1:8701"
    template: str | None = None

    def groups(self) -> dict[str, list[RuleGroup]]:
        """Groups by whom they are about: each use case, and the installation."""
        return {one.name: use_case_groups(one) for one in self.use_cases} | {INSTALLATION: [installation_group()]}

    def alerts(self) -> list[tuple[RuleGroup, Alert]]:
        """Every alert with its group."""
        return [(group, alert) for groups in self.groups().values() for group in groups for alert in group.alerts]


@dataclass(frozen=True)
class Rendered:
    """What a stack is told.

    Attributes:
        files: text by file name.
        left_out: alerts that the stack has no words for, with the reason.
        notes: what whoever uses the files has to know.
    """

    files: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class AlertStack(Protocol):
    """A monitoring stack."""

    def render(self, world: AlertedWorld) -> Rendered:
        """Its files."""
        ...


def runbook_url(runbooks: str, alert: Alert) -> str:
    """Address of the part of the runbooks that is about an alert."""
    return f"{runbooks}#{alert.runbook}"


def scrape_jobs(world: AlertedWorld) -> list[dict[str, Any]]:
    """What Prometheus, or a collector in its place, asks for metrics.

    Labels of the metrics come first: those about runs have a `job`.
    """
    jobs: list[dict[str, Any]] = [
        {"job_name": INSTALLATION, "honor_labels": True, "static_configs": [{"targets": [world.exporter]}]}
    ]
    for use_case in world.use_cases:
        if use_case.answers_requests:
            jobs.append(
                {
                    "job_name": use_case.name,
                    "honor_labels": True,
                    "metrics_path": f"/v1/{use_case.name}/metrics",
                    "static_configs": [{"targets": [world.address], "labels": {"use_case": use_case.name}}],
                }
            )
    return jobs


def collector(world: AlertedWorld, exporter: Mapping[str, Any]) -> str:
    """Configuration of an OpenTelemetry collector that reads the metrics and sends them on by one exporter."""
    import yaml

    (name,) = exporter
    content = {
        "receivers": {"prometheus": {"config": {"scrape_configs": scrape_jobs(world)}}},
        "processors": {"batch": {}},
        "exporters": dict(exporter),
        "service": {
            "pipelines": {"metrics": {"receivers": ["prometheus"], "processors": ["batch"], "exporters": [name]}}
        },
    }
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text


def monitor_name(alert: Alert, group: RuleGroup) -> str:
    """A name that is unique in a stack where one alert of several windows is several monitors."""
    return " ".join(filter(None, (group.labels.get("use_case"), alert.name, alert.labels.get("window"))))
