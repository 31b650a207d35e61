"""`monitoring.stack`: what watches metrics and tells people.

Belongs here: its values. Does not belong here: the stacks (`monitoring/alerting/stacks`).
"""

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, ToolChoice
from platform_assets.members import MemberRegistry

_SUITE = "contracts/test_alert_stacks.py::test_every_alert_is_rendered_or_said_to_be_left_out"
PROMETHEUS = Option("prometheus", means="Rules of Prometheus and routes of Alertmanager", proven_by=_SUITE)
DATADOG = Option("datadog", means="Monitors of Datadog, and a collector that sends it the metrics", proven_by=_SUITE)
NEWRELIC = Option(
    "newrelic", means="Conditions of New Relic, and a collector that sends it the metrics", proven_by=_SUITE
)
CUSTOM = Option(
    "custom",
    own_keys=("monitoring.rendered_by",),
    means="Alerts as plain data, through a template or by a function of yours, and metrics by OTLP",
    proven_by=_SUITE,
)

_MODULE = "platform_assets.declaration.options.stacks"
STACK: ToolChoice[Option] = ToolChoice(
    "monitoring.stack",
    "What watches metrics and tells people",
    "prometheus",
    MemberRegistry(
        "monitoring stack",
        {
            "prometheus": f"{_MODULE}:PROMETHEUS",
            "datadog": f"{_MODULE}:DATADOG",
            "newrelic": f"{_MODULE}:NEWRELIC",
            "custom": f"{_MODULE}:CUSTOM",
        },
    ),
)
StackName = Annotated[str, BeforeValidator(STACK.allowed), WithJsonSchema(STACK.schema)]
"""What `monitoring.stack` may say."""
