"""An alert, in words that every monitoring stack can be told.

Belongs here: what an alert consists of, and its condition in PromQL. Does not belong here: which alerts there are (`rules.py` and the files
beside it), or other stacks' words (`stacks/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

PAGE, TICKET = "page", "ticket"
"""Somebody is woken; somebody looks on the next working day."""

Reading = Literal["value", "lowest", "increase", "age", "difference", "absent"]

READINGS: Mapping[Reading, str] = MappingProxyType(
    {
        "value": "max{by} ({series}) {operator} {bound}",
        "lowest": "min{by} ({series}) {operator} {bound}",
        "increase": "sum{by} (increase({series}[{window}])) {operator} {bound}",
        "age": "time() - max{by} ({series}) {operator} {bound}",
        "difference": "max{by} ({series}) - min{by} ({minus}) {operator} {bound}",
        "absent": "absent({series})",
    }
)
"""What is compared: the largest or the smallest value, what a counter grew by, seconds since a time, what
it is more than another metric, or that there is no series."""


@dataclass(frozen=True)
class Threshold:
    """A metric past a bound: the form that every stack has words for.

    Attributes:
        metric: its name in Prometheus.
        bound: what it is compared with.
        labels: values that its labels have.
        by: labels that alerts are told apart by, besides the use case.
        reading: what is compared.
        operator: `>`, `<` or `==`.
        window: of an increase.
        minus: the other metric of a difference, with values of its labels.
    """

    metric: str
    bound: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    reading: Reading = "value"
    operator: Literal[">", "<", "=="] = ">"
    window: str = "5m"
    minus: tuple[str, Mapping[str, str]] | None = None

    @property
    def series(self) -> str:
        """The metric with its labels."""
        return series(self.metric, self.labels)

    @property
    def promql(self) -> str:
        """The condition in PromQL."""
        by = f" by ({', '.join(self.by)})" if self.by else ""
        values = {"series": self.series, "operator": self.operator, "bound": f"{self.bound:g}", "window": self.window}
        minus = series(*self.minus) if self.minus is not None else ""
        return READINGS[self.reading].format(by=by, minus=minus, **values)


@dataclass(frozen=True)
class ShareRule:
    """More failures than an objective lets chance explain, for stacks that cannot be exact: a share, and a number that suffices.

    Attributes:
        failed: what counts failures.
        counted: what counts them and the others; increases of both over `window`.
        share: smallest share of failures.
        failures: smallest number of failures.
        window: length.
    """

    failed: Threshold
    counted: tuple[Threshold, ...]
    share: float
    failures: int
    window: str


@dataclass(frozen=True)
class Alert:
    """Something somebody has to look at.

    Attributes:
        name: CamelCase; the same in every stack, in the runbooks and in tests.
        group: what it is about, in a word.
        severity: `PAGE` or `TICKET`.
        summary: one line with what was measured.
        description: what it means.
        action: the next command, or what to do where there is none.
        threshold: the condition, where it is a metric past a bound, or comes near to being one: the form for every stack.
        expression: the condition in PromQL, where it is more than that.
        hold: how long it must last before somebody is told, in PromQL's words.
        keep: how long it stays once it is over, so that what comes and goes is one incident.
        labels: further ones.
        share: a portable form of an expression.
    """

    name: str
    group: str
    severity: str
    summary: str
    description: str
    action: str
    threshold: Threshold | None = None
    expression: str = ""
    hold: str = "0s"
    keep: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    share: ShareRule | None = None

    @property
    def promql(self) -> str:
        """The condition in PromQL."""
        if self.expression or self.threshold is None:
            return self.expression
        return self.threshold.promql

    @property
    def runbook(self) -> str:
        """Anchor of its part of `docs/operations/runbooks.md`."""
        return self.name.lower()


@dataclass(frozen=True)
class Recording:
    """A series that Prometheus works out and keeps, for other expressions."""

    name: str
    expression: str


@dataclass(frozen=True)
class RuleGroup:
    """Rules that are evaluated together.

    Attributes:
        name: unique among all files.
        interval: how often, in PromQL's words.
        recordings: worked out first.
        alerts: in this order.
        labels: of every alert: `use_case`, `owner`.
    """

    name: str
    interval: str
    recordings: tuple[Recording, ...] = ()
    alerts: tuple[Alert, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def series(metric: str, labels: Mapping[str, str]) -> str:
    """A metric with its labels, in PromQL."""
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{inside}}}" if inside else metric
