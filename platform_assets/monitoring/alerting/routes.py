"""Who is told of what: the configuration of Alertmanager.

Belongs here: routes, groups, and what one alert makes superfluous. Does not belong here: the receivers' own words (`receivers.py`).

Alertmanager makes the key by which a receiver knows an incident again from the route's matchers and the group's labels: a matcher that is
spelt otherwise, or a further label to group by, leaves open incidents open for ever. A test holds both as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.monitoring.alerting.alerts import PAGE, TICKET
from platform_assets.monitoring.alerting.receivers import Receiver, ReceiverUnusable

GROUP_BY = ("alertname", "use_case")
UNROUTED, WATCHDOG = "unrouted", "watchdog"
SEVERITIES = (PAGE, TICKET)
TIMES = {"group_wait": "5s", "group_interval": "1m", "repeat_interval": "4h"}
"""A cause that sets off several alerts of a name within five seconds is told once; what is not over is told again after four hours."""
INHIBITED = {
    "ErrorBudgetBurning": "ErrorBudgetOverspent",
    "LatencyBudgetBurning": "LatencyBudgetOverspent",
    "ServiceGone": "ProcessDown",
    "OnlineStoreDoesNotAnswer": "PredictionsWithoutHistory",
    "PlatformMetricsMissing": "ScrapeFailed",
}
"""An alert, and the one of the same use case that says nothing more while it fires."""


def alertmanager(use_cases: Sequence[UseCase], receivers: Mapping[str, Receiver]) -> dict[str, Any]:
    """The configuration.

    A use case's own receivers are told first; without any those of the installation named `page` and `ticket`; without these nobody is,
    and the alert stands on Alertmanager's page alone.

    Raises:
        ReceiverUnusable: a declaration names a receiver that the installation has not.
    """
    routes: list[dict[str, Any]] = [
        {"receiver": WATCHDOG if WATCHDOG in receivers else UNROUTED, "matchers": ['alertname="Watchdog"']}
        | {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "5m"}
    ]
    named: dict[str, list[Receiver]] = {UNROUTED: []}
    for use_case in use_cases:
        for severity in SEVERITIES:
            own = own_receivers(use_case, severity, receivers)
            if own:
                name = f"{use_case.name}_{severity}"
                named[name] = own
                routes.append({"receiver": name, "matchers": [f'use_case="{use_case.name}"', f'severity="{severity}"']})
    for severity in SEVERITIES:
        if severity in receivers:
            routes.append({"receiver": severity, "matchers": [f'severity="{severity}"']})
    named |= {name: [receivers[name]] for name in (*SEVERITIES, WATCHDOG) if name in receivers}
    return {
        "route": {"receiver": UNROUTED, "group_by": list(GROUP_BY), **TIMES, "routes": routes},
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="{source}"'],
                "target_matchers": [f'alertname="{target}"'],
                "equal": ["use_case"],
            }
            for source, target in INHIBITED.items()
        ],
        "receivers": [_receiver(name, members) for name, members in named.items()],
    }


def own_receivers(use_case: UseCase, severity: str, receivers: Mapping[str, Receiver]) -> list[Receiver]:
    """The receivers that a use case declares for a severity.

    Raises:
        ReceiverUnusable: the installation has not got one.
    """
    names: tuple[str, ...] = getattr(use_case.monitoring.alerts, severity)
    for name in names:
        if name not in receivers:
            known = ", ".join(receivers) or "none"
            raise ReceiverUnusable(
                f"{use_case.name} declares the receiver {name!r} (monitoring.alerts.{severity}), and the installation has {known}: "
                "name it in PLATFORM_ASSETS_ALERT_RECEIVERS"
            )
    return [receivers[name] for name in names]


def _receiver(name: str, members: Sequence[Receiver]) -> dict[str, Any]:
    sections: dict[str, Any] = {"name": name}
    for member in members:
        sections.setdefault(member.section, []).append(member.configuration())
    return sections
