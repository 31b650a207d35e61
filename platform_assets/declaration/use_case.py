"""The requirement as a whole.

Belongs here: the `UseCase` model and what is derived from several of its sections. Does not belong here: dagster
(the component wraps this model), or any computation on rows.
"""

from datetime import date
from pathlib import Path
from typing import Any, Self

import polars as pl
from pydantic import Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.checks.labels import UNDATED_LABEL
from platform_assets.declaration.checks.references import find_problems
from platform_assets.declaration.names import EVALUATION
from platform_assets.declaration.options.clouds import CloudName
from platform_assets.declaration.options.feature_stores import FeatureStoreName
from platform_assets.declaration.options.orchestration import OrchestrationName
from platform_assets.declaration.options.tracking import TrackingName
from platform_assets.declaration.renamed import with_current_names
from platform_assets.declaration.sections.budget import Budget
from platform_assets.declaration.sections.calendar import Calendar
from platform_assets.declaration.sections.columns import ColumnType
from platform_assets.declaration.sections.compute import SERVICE_PODS, Compute, ComputeKey, Replicas, chosen_compute
from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.declaration.sections.feature_stores import CustomFeatureStore, Databricks
from platform_assets.declaration.sections.features import Entity, FeatureView
from platform_assets.declaration.sections.gates import Gates
from platform_assets.declaration.sections.label import Label
from platform_assets.declaration.sections.predictions import Predictions
from platform_assets.declaration.sections.retention import Retention
from platform_assets.declaration.sections.serving import REVIEW, Freshness, Monitoring, Serving
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.sections.training import Training
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.declaration.tasks.registry import DECLARED_TASKS

MODEL_LAYER = "model"


class History(Declaration):
    """The days that the data covers."""

    first_day: date = Field(description="First event day.")
    last_day: date | None = Field(default=None, description="Last event day; absent while data keeps arriving.")
    days_ahead: int = Field(
        default=0,
        ge=0,
        description="Events are delivered so many days before their day is over; 1 for a day's plan that is there when "
        "the day begins.",
    )


class UseCase(Declaration):
    """An ML requirement: everything the platform needs to know to build, run and watch a model.

    Raises:
        pydantic.ValidationError: each problem with its place in the declaration; the loader adds file and line.
    """

    name: Identifier = Field(description="Name of the use case: first part of its asset keys, name of model and route.")
    description: str = Field(description="What is predicted, for whom, and what it is used for.")
    owner: str = Field(
        pattern=r"^(team:[a-z0-9_-]+|[^@\s]+@[^@\s]+)$",
        description="`team:name` or an e-mail address; owns every asset.",
    )
    history: History = Field(description="The days that the data covers.")
    tracking: TrackingName = Field(default="mlflow", description="Which tool keeps runs of trainings.")
    feature_store: FeatureStoreName = Field(
        default="feast",
        description="Where features are known by name: feature tables are published there as they are computed.",
    )
    databricks: Databricks | None = Field(
        default=None, description="Unity Catalog, for `feature_store: databricks`, which needs it."
    )
    custom_feature_store: CustomFeatureStore | None = Field(
        default=None, description="Your own store, for `feature_store: custom`, which needs it."
    )
    orchestration: OrchestrationName = Field(
        default="dagster", description="What runs the pipelines; another value than `dagster` runs an exported project."
    )
    cloud: CloudName = Field(
        default="local",
        description="Which cloud addresses, secrets, modules of Terraform and prices are of; `local` demands none.",
    )
    sources: tuple[Source, ...] = Field(min_length=1, description="Every table the use case receives.")
    events: Identifier = Field(description="The source whose rows are scored: one prediction for each.")
    label: Label = Field(description="What is predicted.")
    entities: tuple[Entity, ...] = Field(default=(), description="What features describe.")
    features: tuple[FeatureView, ...] = Field(min_length=1, description="Groups of features.")
    previous_features: tuple[FeatureView, ...] = Field(
        default=(),
        description="Older versions of views: still computed and kept online for the models that were registered with them, no "
        "part of new models.",
    )
    training: Training = Field(description="How the model is made.")
    gates: Gates = Field(default_factory=Gates, description="What a model has to prove.")
    serving: Serving = Field(description="How predictions are asked for.")
    monitoring: Monitoring = Field(description="What is watched.")
    predictions: Predictions | None = Field(
        default=None,
        description="Scores that somebody else's model makes and a source delivers: watched, with no model and no service here.",
    )
    freshness: Freshness = Field(default_factory=Freshness, description="How old an asset may be.")
    experiment: Experiment | None = Field(
        default=None,
        description="The A/B test that is to show what a new version is worth; planned, not run, by the platform.",
    )
    retention: Retention = Field(default_factory=Retention, description="How long old versions stay readable.")
    budget: Budget | None = Field(default=None, description="How much money a search, a run and a month may take.")
    compute: dict[ComputeKey, Compute] = Field(
        default_factory=dict,
        description="What steps and services need on Kubernetes. Keys: `default`, a layer (`features`), `layer/table` "
        "(`model/classifier`), or `service`, the pods that answer; the most specific one counts, as a whole.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_current_names(cls, given: Any, info: ValidationInfo) -> Any:
        """Releases and runs keep their declaration as JSON, under the names of then; what is declared today, in YAML, is refused."""
        return with_current_names(given) if info.mode == "json" else given

    @model_validator(mode="after")
    def _refuse_problems(self, info: ValidationInfo) -> Self:
        problems = find_problems(self, is_stored=info.mode == "json")
        if info.mode == "json":  # what was released before labels had to be dated still serves
            problems = [item for item in problems if (item.where, item.value) != (UNDATED_LABEL, None)]
        if problems:
            raise ValidationError.from_exception_data(
                "UseCase",
                [
                    InitErrorDetails(
                        type="value_error",
                        loc=problem.where,
                        input=problem.value,
                        ctx={"error": ValueError(problem.message)},
                    )
                    for problem in problems
                ],
            )
        return self

    def in_folder(self, folder: Path) -> Self:
        """The use case with what its files beside the declaration add: the holidays of calendars.

        Raises:
            HolidaysFileError: a file is missing, or a line of it is no day.
        """
        sources = tuple(
            source.model_copy(update={"calendar": source.calendar.in_folder(folder)})
            if isinstance(source.calendar, Calendar) and source.calendar.holidays_file
            else source
            for source in self.sources
        )
        return self if sources == self.sources else self.model_copy(update={"sources": sources})

    def source(self, name: str) -> Source:
        """The source of that name.

        Raises:
            KeyError: when there is none.
        """
        for source in self.sources:
            if source.name == name:
                return source
        raise KeyError(
            f"use case {self.name!r} has no source {name!r}; it has {', '.join(s.name for s in self.sources)}"
        )

    def entity(self, name: str) -> Entity:
        """The entity of that name.

        Raises:
            KeyError: when there is none.
        """
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise KeyError(
            f"use case {self.name!r} has no entity {name!r}; it has {', '.join(e.name for e in self.entities)}"
        )

    @property
    def event_source(self) -> Source:
        """The source whose rows are scored."""
        return self.source(self.events)

    @property
    def event_time(self) -> str:
        """Name of the event table's time column."""
        event_time = self.event_source.event_time
        assert event_time is not None, "find_problems refuses an event table without event time"
        return event_time

    @property
    def time_zone(self) -> str:
        """The zone in which days begin and end: that of the events, and of every other table with an event time."""
        return self.event_source.time_zone

    @property
    def label_source(self) -> Source:
        """The source that carries the label; may be the event table itself."""
        return self.source(self.label.source)

    @property
    def label_delay_days(self) -> int:
        """Labels of event day e are complete from 00:00 UTC of day e + this."""
        declared = self.label.complete_after_days
        return self.label_source.arrival_delay_days if declared is None else declared

    @property
    def label_arrival_days(self) -> int:
        """Rows of day d of the label's source are known from 00:00 UTC of day d + this, whatever event they are about."""
        if self.label.decided_at is None:
            return self.label_delay_days
        return max(1, self.label_source.arrival_delay_days)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The model's inputs, in order."""
        return tuple(name for view in self.features for name in view.feature_names)

    @property
    def stored_views(self) -> tuple[FeatureView, ...]:
        """Every view that has a table: those of the model, then older versions that are kept up."""
        return (*self.features, *self.previous_features)

    def key_type(self, column: str) -> ColumnType:
        """Type of a column of the event table, or of the column that stands for a combined entity."""
        if any(entity.is_combined and entity.key == column for entity in self.entities):
            return "string"
        return self.event_source.column(column).type

    @property
    def task(self) -> DeclaredTask:
        """What may be declared for its kind of task; what is computed for it answers `tasks.registry.task_of`."""
        return DECLARED_TASKS[self.training.task]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of a multi-class task, in the order of their probabilities; empty for any other task."""
        if not self.task.has_classes or self.label.column not in self.label_source.column_names:
            return ()
        return tuple(str(value) for value in self.label_source.column(self.label.column).allowed or ())

    def compute_of(self, layer: str, table: str | None = None) -> Compute:
        """What a step, or with `service` a pod that answers, needs of a machine: the most specific entry of `compute`.

        Args:
            layer: second part of the asset's key, or `service`.
            table: last part of the asset's key.
        """
        if layer == MODEL_LAYER and table in (self.model_name, EVALUATION) and self.training.compute is not None:
            return self.training.compute
        chosen = chosen_compute(self.compute, layer, table)
        if layer != SERVICE_PODS:
            return chosen or Compute()
        chosen = chosen or Compute(cpus=1, memory_gigabytes=2)
        return chosen if chosen.replicas is not None else chosen.model_copy(update={"replicas": Replicas()})

    @property
    def is_realtime(self) -> bool:
        """Whether each event is scored as it happens, asked or streamed; otherwise predictions are made for a day at a time."""
        return self.serving.mode not in ("batch", "external")

    @property
    def is_trained_here(self) -> bool:
        """Whether the model is ours; otherwise a source delivers its scores."""
        return self.predictions is None

    @property
    def may_review(self) -> bool:
        """Whether an answer's decision may be `review`."""
        return self.serving.unknown == REVIEW or any(rule.then == REVIEW for rule in self.monitoring.degrade)

    @property
    def answers_requests(self) -> bool:
        """Whether callers ask for the score of an event."""
        return self.serving.mode in ("realtime", "hybrid")

    @property
    def scores_stream(self) -> bool:
        """Whether the events of a topic are scored."""
        return self.serving.mode in ("streaming", "hybrid")

    @property
    def entities_with_history(self) -> tuple[str, ...]:
        """Entities whose events the model's windows look back at, in declared order: a request can lack them."""
        looked_at = {view.entity for view in self.features if view.windows}
        return tuple(entity.name for entity in self.entities if entity.name in looked_at)

    @property
    def model_name(self) -> str:
        """Last part of the model asset's key."""
        return self.task.model_name

    def feature_schema(self, view: FeatureView) -> dict[str, pl.DataType]:
        """Stored schema of a feature table: event key, entity key, event time, features (Float64), event day."""
        events = self.event_source
        names = [*events.primary_key, self.event_time]
        if view.entity is not None:
            keys = [name for name in self.entity(view.entity).key_columns if name not in names]
            names[len(events.primary_key) : len(events.primary_key)] = keys
        schema = {name: events.column(name).polars_type for name in names}
        schema.update({name: pl.Float64() for name in view.feature_names})
        schema[EVENT_DAY] = pl.Date()
        return schema
