"""Feast's historical retrieval over the lake's feature tables, by the platform's own join.

Belongs here: Feast's interface of an offline store. Does not belong here: the join (`offline/training_set.py`), the tables (`lake/`).

Rows are joined by the event's key, so each row that was given comes back once, in its place, with the values that a training set has: no
row is merged with another of the same time, and nothing that was written late leaks in. An event that is in no feature table is an error
that names it.

Feast imports this module by its dotted name, so Feast is imported at its top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.repo_config import FeastConfigBaseModel

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import day_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake

NOT_THERE = (
    "the online store's states are written and verified by the platform: materialize `{0}/features/online_store`, or run "
    "`platform-assets run {0}`"
)


class LakeOfflineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc] # Feast has no types
    """What `feature_store.yaml` says of it."""

    type: Literal["platform_assets.features.feast_repository.offline_store.LakeOfflineStore"] = (
        "platform_assets.features.feast_repository.offline_store.LakeOfflineStore"
    )
    declaration: str
    """File with the use case as it was declared."""
    lake: str
    """Root of the lake. Keys of an object store come from its own variables, such as AWS_ACCESS_KEY_ID."""


class LakeRetrieval(RetrievalJob):  # type: ignore[misc] # Feast has no types
    """Rows with their features, joined when they are asked for."""

    def __init__(self, rows: pd.DataFrame, features: Mapping[str, str], catalog: Catalog, full_names: bool) -> None:
        """Take the rows and the features to add: the name in the answer by the feature's own."""
        self._rows, self._features, self._catalog, self._full_names = rows, features, catalog, full_names

    @property
    def full_feature_names(self) -> bool:
        """Whether features carry their view's name."""
        return self._full_names

    @property
    def on_demand_feature_views(self) -> list[Any]:
        """None: what they would compute has been joined."""
        return []

    @property
    def metadata(self) -> RetrievalMetadata:
        """What was asked for."""
        return RetrievalMetadata(features=list(self._features.values()), keys=list(self._rows.columns))

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Refuse: a training set of the platform is kept, named and reproduced by its own asset.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "write the frame yourself, or materialize the training set asset, which names what it was made from"
        )

    def to_sql(self) -> str:
        """Refuse: no database is asked.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the lake is read by polars: there is no SQL")

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        """The rows as they were given, with the features behind them."""
        use_case = self._catalog.use_case
        keys = list(use_case.event_source.primary_key)
        wanted = pl.from_pandas(self._rows[keys]).with_columns(
            pl.col(key).cast(use_case.event_source.column(key).polars_type) for key in keys
        )
        days = _days(self._rows, self._catalog)
        tables = {view.name: self._catalog.features(view).scan() for view in use_case.features}
        joined = join_views(wanted.unique(maintain_order=True), tables, use_case, *days)
        found = wanted.join(joined.select(*keys, *self._features), on=keys, how="left", maintain_order="left")
        values = found.select(pl.col(name).cast(pl.Float64).alias(shown) for name, shown in self._features.items())
        own = self._rows.drop(columns=[name for name in self._features.values() if name in self._rows.columns])
        return pd.concat([own.reset_index(drop=True), values.to_pandas()], axis=1)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return pa.Table.from_pandas(self._to_df_internal(), preserve_index=False)


class LakeOfflineStore(OfflineStore):  # type: ignore[misc] # Feast has no types
    """The lake as Feast's offline store."""

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        **kwargs: Any,
    ) -> RetrievalJob:
        """Rows of events with features.

        Args:
            config: Feast's configuration.
            feature_views: views with states, which have no history of their own: none may be asked for.
            feature_refs: `view:feature` for each feature.
            entity_df: rows with the event's primary key, in any order.
            registry: Feast's.
            project: Feast's.
            full_feature_names: whether features carry their view's name.
            **kwargs: Feast's further wishes, such as `start_date`.

        Raises:
            FeatureError: the rows lack the event's key, a feature is not declared, or a wish cannot be fulfilled.
        """
        catalog = catalog_of(config)
        use_case = catalog.use_case
        if feature_views:
            raise FeatureError(
                f"{sorted(str(view.name) for view in feature_views)} hold states, which have no history; ask for features of "
                f"{sorted(view.name for view in use_case.features)}, or for the feature service {use_case.name!r}"
            )
        if not isinstance(entity_df, pd.DataFrame):
            raise FeatureError(
                "rows are a pandas frame with the keys of the events: neither a query nor a range of dates is taken"
            )
        keys = list(use_case.event_source.primary_key)
        missing = [key for key in keys if key not in entity_df.columns]
        if missing:
            raise FeatureError(f"the rows lack {missing}: features are joined by the event's key {keys}")
        return LakeRetrieval(
            entity_df, _wanted(use_case, feature_refs, full_feature_names), catalog, full_feature_names
        )

    @staticmethod
    def pull_latest_from_table_or_query(config: Any, *args: Any, **kwargs: Any) -> RetrievalJob:
        """Refuse `feast materialize`.

        Raises:
            FeatureError: always; it says what does this.
        """
        raise FeatureError(NOT_THERE.format(catalog_of(config).use_case.name))

    @staticmethod
    def pull_all_from_table_or_query(config: Any, *args: Any, **kwargs: Any) -> RetrievalJob:
        """Refuse `feast materialize`.

        Raises:
            FeatureError: always; it says what does this.
        """
        raise FeatureError(NOT_THERE.format(catalog_of(config).use_case.name))


def catalog_of(config: Any) -> Catalog:
    """The tables that a configuration names.

    Raises:
        FeatureError: the declaration is not where the configuration says.
    """
    path = Path(config.offline_store.declaration)
    if not path.is_file():
        raise FeatureError(f"{path} is not there; run `platform-assets features feast` to write the folder again")
    return Catalog(UseCase.model_validate_json(path.read_text(encoding="utf-8")), Lake(config.offline_store.lake))


def _wanted(use_case: UseCase, references: Sequence[str], full_names: bool) -> dict[str, str]:
    """Each feature that is asked for, and its name in the answer."""
    views = {view.name: view.feature_names for view in use_case.features}
    wanted: dict[str, str] = {}
    for reference in references:
        view, _, name = reference.partition(":")
        view = view.partition("@")[0]
        if name not in views.get(view, ()):
            raise FeatureError(f"there is no feature {reference!r}; {use_case.name!r} has the views {sorted(views)}")
        wanted[name] = f"{view}__{name}" if full_names else name
    return wanted


def _days(rows: pd.DataFrame, catalog: Catalog) -> tuple[Any, Any]:
    """The event days that the rows can lie on: those of their times where they have any, else all of the tables'."""
    use_case = catalog.use_case
    if use_case.event_time in rows.columns and len(rows):
        times = pd.to_datetime(rows[use_case.event_time], utc=True, format="ISO8601")
        first, last = (day_of(_moment(one), use_case.time_zone) for one in (times.min(), times.max()))
        return first, last
    days = [day for view in use_case.features[:1] for day in catalog.features(view).partitions()]
    if not days:
        raise FeatureError(f"{use_case.name!r} has no feature table with {EVENT_DAY!r} yet; materialize its features")
    return min(days), max(days) + timedelta(days=1)


def _moment(value: Any) -> datetime:
    moment: datetime = value.to_pydatetime()
    return moment
