"""What the service tells Prometheus about itself, besides BentoML's own request metrics.

Belongs here: names, labels and buckets. Does not belong here: counting (where things happen), or alerts
(`deploy/observability/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.tasks.registry import task_of
from serving.refusals import STATUSES

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase

LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class ServiceMetrics:
    """The service's metrics. Every name starts with `platform_assets_`, every series carries the use case."""

    def __init__(self, use_case: UseCase, release: str, model_version: str, registry: Any = None) -> None:
        """Register the metrics.

        Args:
            use_case: its name, decisions and entities become labels.
            release: digest of the release.
            model_version: version of the registered model.
            registry: Prometheus registry; default is the process's own.
        """
        import prometheus_client

        registry = prometheus_client.REGISTRY if registry is None else registry
        labels = {"use_case": use_case.name}

        def counter(name: str, text: str, *more: str) -> Any:
            return prometheus_client.Counter(f"platform_assets_{name}", text, ("use_case", *more), registry=registry)

        decisions = counter("decisions_total", "Predictions answered, by decision.", "decision")
        refused = counter(
            "refused_requests_total", "Requests not scored because the request was wrong, by status.", "status"
        )
        unknown = counter("unknown_entities_total", "Predictions in which an entity had no history.", "entity")
        outcomes = counter(
            "unknown_entity_requests_total",
            "Requests in which an entity had no history, by what is declared for them.",
            "outcome",
        )
        store = counter(
            "store_failures_total",
            "Calls that the online store did not answer, or whose state it holds damaged.",
            "operation",
        )
        features = counter(
            "feature_failures_total",
            "Requests not scored because a feature could not be computed, by what failed: a function or an expression.",
            "failed",
        )
        fallbacks = counter(
            "fallback_predictions_total", "Predictions answered without the online store, by reason.", "reason"
        )
        dropped = counter(
            "background_dropped_total", "Work lost because its queue was full or a stop did not wait.", "queue"
        )
        failed = counter("background_failures_total", "Work lost because it failed.", "queue")
        logged = counter("prediction_log_lines_total", "Predictions written to the log.")
        unlogged = counter("prediction_log_refused_total", "Requests refused because the log took no line.")
        info = prometheus_client.Gauge(
            "platform_assets_release_info",
            "1 for the release that this process serves.",
            ("use_case", "model_version", "release"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        names = [
            *(task_of(use_case).decisions(use_case) or ("none",)),
            *([REVIEW] if use_case.serving.unknown == REVIEW else []),
        ]
        self.decisions = {name: decisions.labels(decision=name, **labels) for name in names}
        self.refused = {status: refused.labels(status=str(status), **labels) for status in STATUSES}
        self.unknown = {entity.name: unknown.labels(entity=entity.name, **labels) for entity in use_case.entities}
        self.unknown_outcomes = {
            name: outcomes.labels(outcome=name, **labels) for name in ("refuse", "review", "decide")
        }
        self.store = {name: store.labels(operation=name, **labels) for name in ("read", "write", "damaged")}
        self.features = {name: features.labels(failed=name, **labels) for name in ("function", "expression")}
        self.fallbacks = fallbacks.labels(reason="store unreachable", **labels)
        self.dropped = {name: dropped.labels(queue=name, **labels) for name in ("record",)}
        self.failed = {name: failed.labels(queue=name, **labels) for name in ("record",)}
        self.logged = logged.labels(**labels)
        self.unlogged = unlogged.labels(**labels)
        self.latency = _latency(registry).labels(**labels)
        info.labels(model_version=model_version, release=release, **labels).set(1)


def _latency(registry: Any) -> Any:
    import prometheus_client

    return prometheus_client.Histogram(
        "platform_assets_prediction_seconds",
        "Time from a request's arrival to its answer, features included.",
        ("use_case",),
        registry=registry,
        buckets=LATENCY_BUCKETS_SECONDS,
    )
