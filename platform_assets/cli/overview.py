"""A use case in a few lines: champion, service and its latency, rollout, drift, quality.

Belongs here: the lines of `platform-assets status`. Does not belong here: reading what they say (`pipelines/use_case_state/`), or the
page with all of it (`monitoring/use_case_page/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.markup import escape

from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.pipelines.use_case_state.models import champion, newest_rollout
from platform_assets.pipelines.use_case_state.series import monitored
from platform_assets.pipelines.use_case_state.service import service_now

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.deployment.release import TargetStatus
    from platform_assets.installation import Installation
    from platform_assets.monitoring.use_case_page.state import ServiceState, WindowState

LABEL_WIDTH = 12


def labelled(label: str, text: str, *, indent: int = 0) -> str:
    """A line with its label in bold, texts below each other."""
    return f"{' ' * indent}[bold]{label}[/]{' ' * max(1, LABEL_WIDTH - indent - len(label))}{text}"


def overview(use_case: UseCase, installation: Installation, status: TargetStatus) -> Iterator[str]:
    """The lines of a use case, in rich's markup."""
    model = champion(use_case, installation.models)
    if not use_case.is_trained_here:
        yield labelled("champion", "none: its scores are delivered", indent=2)
    elif model is None:
        yield labelled("champion", f"none yet; `platform-assets run {use_case.name}` trains one", indent=2)
    else:
        made = f"{model.learner} as of {model.as_of}" if model.as_of else model.learner
        yield labelled("champion", escape(f"version {model.version}: {made}"), indent=2)
    if use_case.is_realtime:
        yield labelled("service", _service(service_now(use_case, installation.serving, status)), indent=2)
        rollout, _ = newest_rollout(use_case, installation.serving)
        if rollout is not None and not rollout.over:
            text = f"{rollout.new} beside {rollout.old}, stage {rollout.stage}, {rollout.weight_percent} %: {rollout.sentence}"
            yield labelled("rollout", f"[yellow]under way[/] {escape(text)}", indent=2)
        else:
            yield labelled("rollout", "none under way", indent=2)
    windows, _, _ = monitored(installation.catalog(use_case))
    by_monitor = {window.monitor: window for window in windows}
    for monitor in (DRIFT, QUALITY):
        yield labelled(monitor, _window(by_monitor.get(monitor)), indent=2)


def _service(service: ServiceState) -> str:
    if service.version is None:
        return "nothing is deployed"
    share = ", ".join(f"{name} {weight} %" for name, weight in service.weights_percent.items())
    ready = f"{service.ready} of {service.processes} processes ready"
    colour = "green" if service.ready == service.processes and service.processes else "red"
    parts = [share, f"[{colour}]{ready}[/]"]
    if service.p50_ms is not None and service.p99_ms is not None:
        parts.append(f"p50 {service.p50_ms:.1f} ms, p99 {service.p99_ms:.1f} ms")
    if service.requests is not None:
        parts.append(f"{service.requests:,} requests, {service.errors or 0:,} errors since its start")
    return "; ".join(parts)


def _window(window: WindowState | None) -> str:
    if window is None:
        return "not computed yet"
    colour = "green" if window.passed else "red"
    since = "" if window.passed else f" since {window.since}"
    return f"[{colour}]{escape(window.status)}[/] up to {window.day}{since}: {escape(window.explanation)}"
