"""Serving, monitoring and freshness: how the model is used and watched.

Belongs here: what a team declares about the running service. Does not belong here: ports, hosts and paths, which
are settings of the installation.
"""

from typing import Annotated, Literal

from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.options.modes import ModeName
from platform_assets.declaration.options.stacks import StackName
from platform_assets.declaration.sections.alerting import Alerting, Objectives
from platform_assets.declaration.sections.callers import Callers
from platform_assets.declaration.sections.degradation import DegradeRule
from platform_assets.declaration.sections.explanations import Explanations
from platform_assets.declaration.sections.features import FunctionPath
from platform_assets.declaration.sections.measures import BusinessMeasure
from platform_assets.declaration.sections.rollout import AnyRolloutStage, Guards, ReplaceStage
from platform_assets.declaration.sections.stream_door import StreamDoor
from platform_assets.declaration.sections.training import Metric
from platform_assets.declaration.serving_platforms import SHORTEST_LICENCE, PlatformName


class Costs(Declaration):
    """What wrong decisions cost, so that thresholds can be compared in money."""

    missed: Identifier | Annotated[float, Field(ge=0)] = Field(
        description="What a positive costs that scored below the threshold: a feature that holds the amount, or a number."
    )
    false_alarm: float = Field(ge=0, description="What a negative costs that scored at or above the threshold.")
    currency: str = Field(default="", max_length=12, description="What the amounts are in, for people.")


class Decision(Declaration):
    """How a probability becomes a decision."""

    threshold: float = Field(description="At or above this score the decision is `above`.")
    above: str = Field(default="decline", description="Decision for scores at or above the threshold.")
    below: str = Field(default="approve", description="Decision for scores below it.")
    costs: Costs | None = Field(
        default=None,
        description="What wrong decisions cost; puts money beside every threshold, and changes no decision.",
    )


REVIEW = "review"
"""The decision on a request that people are to look at."""


class TraceSampling(Declaration):
    """Which requests are traced, where the installation names a collector (`PLATFORM_ASSETS_OTLP`)."""

    sample_ratio: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of requests that are traced. Of a request whose caller sends `traceparent` the caller decides. With 0 none is, "
        "whatever callers send.",
    )


class Overload(Declaration):
    """What becomes of requests that come faster than they can be answered."""

    max_wait_ms: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="Who would wait longer for its turn is refused at once, with status 503 and `Retry-After`. Default: a quarter of the "
        "smallest of `monitoring.objectives.latency_ms`.",
    )


class Serving(Declaration):
    """How the model answers."""

    mode: ModeName = Field(
        default="realtime",
        description="`realtime`: a service that is asked for each event. `batch`: a table of predictions for each day. `streaming`: "
        "events of a topic are scored into another one; the service answers no `score`. `hybrid`: both, `realtime` and `streaming`. "
        "`external`: somebody else's system answers, and its scores are delivered (`predictions`).",
    )
    stream: StreamDoor | None = Field(
        default=None, description="The topics of the modes `streaming` and `hybrid`, which need it."
    )
    request: tuple[Identifier, ...] = Field(
        min_length=1, description="Columns of the event table that are known when the prediction is made."
    )
    decision: Decision | None = Field(
        default=None,
        description="Decision rule of a binary task, which needs one; a multi-class model answers the most probable class.",
    )
    fallback: Literal["refuse", "no_history"] = Field(
        default="refuse",
        description="What a request gets while the online store does not answer. `refuse`: status 503. `no_history`: a score as if "
        "its entities had no history; the answer and the prediction log say so, and it is counted.",
    )
    unknown: Literal["refuse", "review", "decide"] | None = Field(
        default=None,
        description="What a request gets of which an entity has no history. `refuse`: status 422, not scored. `review`: a score with the "
        "decision `review` (binary tasks). `decide`: the model's answer, as for any other. Undeclared the model decides, and the gate "
        "`unknown_entities` of a service that keeps histories is red.",
    )
    log: Literal["before_answer", "after_answer"] = Field(
        default="before_answer",
        description="When a prediction reaches the log. `before_answer`: what was answered stands in the log, whatever process is killed. "
        "`after_answer`: lines wait in memory, and what waits is lost when the process is killed.",
    )
    callers: Callers = Field(
        default_factory=Callers,
        description="Who may call, and how much each caller may ask for; in force where the installation checks callers "
        "(`PLATFORM_ASSETS_CALLERS`).",
    )
    platform: PlatformName = Field(
        default="bento",
        description="What `platform-assets package` packages the model for. `bento`: our own service. `kserve`, `seldon`, `triton`: those "
        "platforms; a model that cannot be packaged for its platform makes the service asset red. Our own targets serve the Bento in "
        "any case. `torchserve` is refused.",
    )
    licence: str | None = Field(
        default=None,
        min_length=SHORTEST_LICENCE,
        max_length=200,
        description="By which licence a platform is used that may not be used without one: who holds it, or its number. Only for "
        "`platform: seldon`, which needs it.",
    )
    processes: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Service processes for each version. With two a request that a dying process did not answer goes to the other.",
    )
    tracing: TraceSampling = Field(default_factory=TraceSampling, description="Which requests are traced.")
    overload: Overload = Field(
        default_factory=Overload, description="What becomes of requests that come faster than they can be answered."
    )
    rollout: tuple[AnyRolloutStage, ...] = Field(
        default=(ReplaceStage(strategy="replace"),),
        min_length=1,
        description="How a new version takes over: stages in this order. `replace` follows where it is not declared.",
    )
    guards: Guards = Field(
        default_factory=Guards, description="What a new version may not do worse than the old one while both run."
    )


class RetrainRule(Declaration):
    """When monitoring asks for a new model."""

    violations: int = Field(default=2, ge=1, description="So many of the last windows must be in violation ...")
    of_last: int = Field(default=3, ge=1, description="... out of this many, the latest among them.")
    cooldown_days: int = Field(default=7, ge=0, description="Days of data time without a further request.")
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=20,
        description="How often one cause asks when the trainings that it asks for fail: again a day after the first failure, two days "
        "after the second, and so on. Then people are told, and nothing asks until a new model serves.",
    )
    labelled_days: int = Field(
        default=3,
        ge=0,
        description="A drift asks for a model once so many days since it began have their labels: one that is trained sooner knows nothing "
        "of it. Lost quality does not wait, for its labels are there.",
    )
    defect_ks: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="A column of which a single day lies further than this from what the model knows (Kolmogorov-Smirnov statistic) is "
        "taken for a fault of the data: people are told, and no model is asked for. With 1 no column is.",
    )
    defect_ratio: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="So is one of which more than this share of a day's values lies far outside of all that the model knows, or is missing "
        "where values were. With 1 no column is.",
    )


class WatchedColumn(Declaration):
    """How one feature, or the score, is watched for drift."""

    watched: bool = Field(default=True, description="Whether it is judged at all; `false` needs `why`.")
    why: str = Field(default="", description="Why it is not watched, for people.")
    max_ks: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Its own largest Kolmogorov-Smirnov statistic; default: that of all columns.",
    )
    max_psi: float | None = Field(
        default=None, gt=0, description="Its own largest population stability index; default: that of all columns."
    )
    seasonal: bool = Field(
        default=False,
        description="Whether it follows the calendar (a month, a temperature): then it is compared with the same season of other years, "
        "and where none is known it has no verdict when it moved: no drift, and no success.",
    )


class Monitoring(Declaration):
    """What is watched."""

    window_days: int = Field(default=7, ge=1, description="Length of the window that is compared with the reference.")
    min_rows: int = Field(default=500, ge=1, description="Fewer rows give no verdict, which counts as a failed check.")
    max_ks: float = Field(default=0.05, gt=0, le=1, description="Largest Kolmogorov-Smirnov statistic of a column.")
    max_psi: float = Field(default=0.2, gt=0, description="Largest population stability index of a column.")
    columns: dict[Identifier, WatchedColumn] = Field(
        default_factory=dict,
        description="Features, `score` or `decision` that are watched otherwise than all others: own limits, not at all, by season.",
    )
    quality_metric: Metric = Field(description="Metric followed in production, once labels have arrived.")
    max_quality_loss_ratio: float = Field(
        default=0.3, gt=0, lt=1, description="How far the metric may fall below the evaluation's, as a share of it."
    )
    bounds: dict[Metric, float] = Field(
        default_factory=dict,
        description="Values that metrics must keep in production, whatever the evaluation had: the smallest, or the largest of an error.",
    )
    max_label_rate_ratio: float = Field(
        default=2.0, gt=1, description="The label rate may be this many times larger or smaller than in training."
    )
    retrain: RetrainRule = Field(default_factory=RetrainRule, description="When a new model is asked for.")
    degrade: tuple[DegradeRule, ...] = Field(
        default=(),
        description="What becomes of answers while something lasts, until a person lifts it; the first rule that applies counts.",
    )
    measures: tuple[BusinessMeasure, ...] = Field(
        default=(),
        description="What answers are worth, measured once labels have come; each with a bound is part of a check.",
    )
    explanations: Explanations = Field(
        default_factory=Explanations, description="How single predictions are explained."
    )
    objectives: Objectives = Field(
        default_factory=Objectives, description="Service levels of what answers requests; alerts are made from them."
    )
    alerts: Alerting = Field(default_factory=Alerting, description="Who is told of what, and limits of alerts.")
    stack: StackName = Field(
        default="prometheus",
        description="What watches metrics and tells people; `platform-assets alerts render` writes its rules.",
    )
    rendered_by: FunctionPath | None = Field(
        default=None,
        description="`module:function` that writes the files of `stack: custom`: it takes an `AlertedWorld` and returns `Rendered` "
        "(docs/guide/options.md). Without one alerts are plain data.",
    )


class Freshness(Declaration):
    """How old an asset may be."""

    warn_after_hours: int = Field(default=30, ge=1, description="Age at which an asset is reported as late.")
    fail_after_hours: int = Field(default=48, ge=1, description="Age at which it counts as stale.")
