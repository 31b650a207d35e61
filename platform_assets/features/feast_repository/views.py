"""Every declared view as an on-demand view of Feast, and all of them as one feature service with the use case's name.

Belongs here: Feast's objects and their place in its registry. Does not belong here: what they answer (`computed.py`), the views that keep
states (`online/feast_objects.py`). Feast costs seconds to import: only inside functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.feast_import import feast_module
from platform_assets.features.feast_repository.folder import write_folder
from platform_assets.features.online.feast_connection import FeastSettings, feast_store

CONTRACT_TAG = "feature_contract"
_FUNCTION = """def {name}(inputs):
    from platform_assets.features.feast_repository.computed import feature_values

    return feature_values({folder!r}, {view!r}, inputs)
"""


def write_repository(use_case: UseCase, settings: FeastSettings, lake_root: str) -> Path:
    """Write the folder, and bring the use case's views in Feast's registry up to the declaration; nothing is done where they are.

    Args:
        use_case: the declaration; its states were applied before.
        settings: where Feast keeps its registry and values.
        lake_root: the lake's root, for historical values.

    Returns:
        The folder to start `feast` in.

    Raises:
        FeatureError: a column of a request has a type that Feast does not know.
    """
    folder = write_folder(use_case, settings, lake_root)
    store = feast_store(settings)
    registered = {str(one.name): one for one in store.registry.list_feature_services(settings.project)}
    tags = {CONTRACT_TAG: feature_contract_hash(use_case), "folder": str(folder.absolute())}
    known = registered.get(use_case.name)
    if known is None or dict(known.tags) != tags:
        store.apply(views_of(use_case, folder, tags))
    return folder


def views_of(use_case: UseCase, folder: Path, tags: dict[str, str]) -> list[Any]:
    """An on-demand view for each declared one, and last the feature service of all."""
    feast = feast_module()
    views = [_view(feast, use_case, view, folder) for view in use_case.features]
    service = feast.FeatureService(
        name=use_case.name, features=views, description=use_case.description, owner=use_case.owner, tags=tags
    )
    return [*views, service]


def _view(feast: Any, use_case: UseCase, view: FeatureView, folder: Path) -> Any:
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.transformation.python_transformation import PythonTransformation
    from feast.types import Float64

    text = _FUNCTION.format(name=view.name, folder=str(folder.absolute()), view=view.name)
    written: dict[str, Any] = {}
    exec(text, written)
    request = feast.RequestSource(
        name=f"{use_case.name}_request",
        schema=[feast.Field(name=name, dtype=_feast_type(use_case, name)) for name in use_case.serving.request],
        description=f"What a request of {use_case.name} carries.",
        owner=use_case.owner,
    )
    return OnDemandFeatureView(
        name=view.name,
        sources=[request],
        # Feast 0.67 refuses a field with a description here, and forgets it when it reads the view: the tags have them.
        schema=[feast.Field(name=name, dtype=Float64) for name in view.feature_names],
        feature_transformation=PythonTransformation(udf=written[view.name], udf_string=text),
        mode="python",
        description=view.description,
        tags={"use_case": use_case.name, "entity": str(view.entity or ""), **descriptions(view)},
        owner=use_case.owner,
    )


def descriptions(view: FeatureView) -> dict[str, str]:
    """What each feature means, by name."""
    described = {row.name: row.description for row in view.rows}
    described |= {function.name: function.description for function in view.functions}
    for lookup in view.lookups:
        described |= dict.fromkeys(lookup.feature_names, lookup.description)
    for window in view.windows:
        described |= dict.fromkeys(window.feature_names, window.description)
    return described


def _feast_type(use_case: UseCase, name: str) -> Any:
    """Feast's type of a request's column; times are texts, because Feast's have whole seconds.

    Raises:
        FeatureError: Feast has none.
    """
    from feast.types import Bool, Float64, Int64, String

    dtype = use_case.event_source.column(name).polars_type
    if dtype.is_integer():
        return Int64
    if dtype.is_float() or dtype.is_decimal():
        return Float64
    if dtype == pl.Boolean():
        return Bool
    if dtype == pl.String() or dtype.is_temporal():
        return String
    raise FeatureError(f"column {name!r} is {dtype}; Feast has no such type")
