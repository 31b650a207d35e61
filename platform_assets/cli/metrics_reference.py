"""`platform-assets docs`, its third page: every metric with its labels and meaning, from where each is registered.

Belongs here: metrics to Markdown, between two marks of the page. Does not belong here: the metrics, or the page's prose.
"""

from collections.abc import Iterable
from pathlib import Path

from platform_assets.declaration import UseCase
from platform_assets.monitoring.telemetry.catalogue import METRICS, OWN_METRICS

TARGET = Path("docs") / "operations" / "metrics.md"
BEGIN, END = "<!-- written by `make docs` -->", "<!-- end -->"
HEAD = ("| Metric | Labels | Meaning |", "|---|---|---|")

Row = tuple[str, Iterable[str], str]
"""Name, labels, meaning."""


def render_page(page: str, use_case: UseCase) -> str:
    """The page with its list written anew.

    Args:
        page: as it is.
        use_case: one that answers requests; its service's metrics are those of every other.
    """
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = [
        "## Of the platform\n",
        *_table((metric.full_name, metric.labels, metric.meaning) for metric in METRICS),
        "\n## Of the exporter itself\n",
        *_table((metric.full_name, metric.labels, metric.meaning) for metric in OWN_METRICS),
        "\n## Of a service\n",
        *_table(service_metrics(use_case)),
        "\n## Of all processes and of the proxy\n",
        *_table(door_metrics()),
    ]
    return before + BEGIN + "\n" + "\n".join(parts) + "\n" + END + after


def render_now() -> str:
    """The page as it should be, by the first declared use case that answers requests."""
    from platform_assets.declaration.loader import declared_use_cases

    answering = [declared.use_case for declared in declared_use_cases() if declared.use_case.answers_requests]
    return render_page(TARGET.read_text(encoding="utf-8"), answering[0])


def service_metrics(use_case: UseCase) -> list[Row]:
    """What a process that answers requests, or scores a topic, registers."""
    from prometheus_client import CollectorRegistry

    from serving.doors.stream import StreamMetrics
    from serving.metrics import ServiceMetrics

    registry = CollectorRegistry()
    ServiceMetrics(use_case, "sha256:0", "1", registry)
    StreamMetrics(use_case.name, registry)
    rows: list[Row] = []
    for family in registry.collect():
        labels = {label: None for sample in family.samples for label in sample.labels if label != "le"}
        total = "_total" if family.type == "counter" else ""
        rows.append((f"{family.name}{total}", labels, f"{family.documentation} ({family.type})"))
    return rows


def door_metrics() -> list[Row]:
    """What the page of all processes adds."""
    from platform_assets.deployment.local.doors.exposition import UP, UP_HELP
    from platform_assets.deployment.local.doors.proxy import METRICS as PROXY

    return [
        (UP, ("use_case", "arm", "process"), UP_HELP),
        *((one.name, ("use_case", "arm"), f"{one.help} ({one.kind})") for one in PROXY),
    ]


def _table(rows: Iterable[Row]) -> list[str]:
    return [
        *HEAD,
        *(
            f"| `{name}` | {', '.join(f'`{label}`' for label in labels) or 'none'} | {meaning.replace('|', chr(92) + '|')} |"
            for name, labels, meaning in rows
        ),
    ]
