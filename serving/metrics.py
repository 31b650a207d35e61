"""What the service tells Prometheus about itself, besides BentoML's own request metrics.

Belongs here: names, labels and buckets. Does not belong here: counting (where things happen), or alerts
(`platform_assets/monitoring/alerting`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.sections.serving import REVIEW
from platform_assets.tasks.registry import task_of
from serving.exposure import OUTCOMES
from serving.refusals import STATUSES
from serving.scoring import STORE_EMPTIED, STORE_UNREACHABLE
from serving.tracing.spans import DROP_REASONS

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase

QUEUES = ("record", "log")
"""What waits behind the answers: events for the online store, and, with `log: after_answer`, lines for the prediction log."""
FALLBACK_REASONS = (STORE_UNREACHABLE, STORE_EMPTIED)
UNKNOWN_OUTCOMES = ("refuse", "review", "decide")
ANSWERED, REFUSED, FAILED = "answered", "refused", "failed"
REQUEST_OUTCOMES = (ANSWERED, REFUSED, FAILED)
"""What became of a request: scored, turned away for its own fault (4xx), or not answered for ours (5xx)."""
REQUESTS_HELP = "Requests for a score, by what became of them; copies in shadow and self-tests are left out."
SHED_HELP = (
    "Requests refused at once because they would have waited too long for their turn; they count as failed, too."
)
REFUSED_HELP = "Requests not scored because the request was wrong, by status."
SPANS_HELP = "Spans of traced requests that no collector was given, by why."
SHADOW_OUTCOMES = ("logged", "refused", "failed")
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

        def counters(name: str, text: str, label: str, values: Iterable[Any]) -> dict[Any, Any]:
            """A counter for each value of a label, from 0 on."""
            names = ("use_case", label)
            metric = prometheus_client.Counter(f"platform_assets_{name}", text, names, registry=registry)
            return {value: metric.labels(**labels, **{label: str(value)}) for value in values}

        def counter(name: str, text: str) -> Any:
            metric = prometheus_client.Counter(f"platform_assets_{name}", text, ("use_case",), registry=registry)
            return metric.labels(**labels)

        self.requests = counters("requests_total", REQUESTS_HELP, "outcome", REQUEST_OUTCOMES)
        self.decisions = counters(
            "decisions_total", "Predictions answered, by decision.", "decision", _decisions(use_case)
        )
        self.refused = counters("refused_requests_total", REFUSED_HELP, "status", STATUSES)
        text = "Predictions in which an entity had no history."
        self.unknown = counters("unknown_entities_total", text, "entity", (one.name for one in use_case.entities))
        text = "Requests in which an entity had no history, by what is declared for them."
        self.unknown_outcomes = counters("unknown_entity_requests_total", text, "outcome", UNKNOWN_OUTCOMES)
        text = "Predictions while an A/B test ran, by what their entity was given or why they are part of neither side."
        self.assignments = counters("experiment_requests_total", text, "outcome", OUTCOMES)
        text = "Calls that the online store did not answer, whose state it holds damaged, or that it answered without its data."
        self.store = counters("store_failures_total", text, "operation", ("read", "write", "damaged", "lost"))
        text = (
            "Requests not scored because a feature could not be computed, by what failed: a function or an expression."
        )
        self.features = counters("feature_failures_total", text, "failed", ("function", "expression"))
        text = "Predictions answered without the online store, by reason."
        self.fallbacks = counters("fallback_predictions_total", text, "reason", FALLBACK_REASONS)
        text = "Copies of requests that this process scored in shadow, by outcome; no other metric of this list counts them."
        self.shadow = counters("shadow_requests_total", text, "outcome", SHADOW_OUTCOMES)
        text = "Scores made again because an event of the entity came in between."
        self.rescored = counter("rescored_requests_total", text)
        text = "Work lost because its queue was full or a stop did not wait."
        self.dropped = counters("background_dropped_total", text, "queue", QUEUES)
        self.failed = counters("background_failures_total", "Work lost because it failed.", "queue", QUEUES)
        self.logged = counter("prediction_log_lines_total", "Predictions written to the log.")
        self.shed = counter("shed_requests_total", SHED_HELP)
        self.unlogged = counter("prediction_log_refused_total", "Requests refused because the log took no line.")
        waiting = _waiting(registry)
        self.waiting = {queue: waiting.labels(queue=queue, **labels) for queue in QUEUES}
        self._dropped_spans = counters("spans_dropped_total", SPANS_HELP, "reason", DROP_REASONS)
        self.latency = _latency(registry).labels(**labels)
        _release_info(registry).labels(model_version=model_version, release=release, **labels).set(1)

    def spans_dropped(self, reason: str, count: int) -> None:
        """Count spans that were lost."""
        self._dropped_spans[reason].inc(count)


def _decisions(use_case: UseCase) -> list[str]:
    """What an answer can decide; one name for all of them where nothing is decided."""
    review = [REVIEW] if use_case.may_review else []
    return [*(task_of(use_case).decisions(use_case) or ("none",)), *review]


def _waiting(registry: Any) -> Any:
    import prometheus_client

    text = "Work that waits for its turn behind the answers."
    return prometheus_client.Gauge("platform_assets_background_waiting", text, ("use_case", "queue"), registry=registry)


def _release_info(registry: Any) -> Any:
    import prometheus_client

    return prometheus_client.Gauge(
        "platform_assets_release_info",
        "1 for the release that this process serves.",
        ("use_case", "model_version", "release"),
        registry=registry,
        multiprocess_mode="livemax",
    )


def _latency(registry: Any) -> Any:
    import prometheus_client

    return prometheus_client.Histogram(
        "platform_assets_prediction_seconds",
        "Time from a request's arrival to its answer, features included.",
        ("use_case",),
        registry=registry,
        buckets=LATENCY_BUCKETS_SECONDS,
    )
