"""The folder that Feast's tools are started in: `feature_store.yaml`, the declaration, and what `feast apply` finds.

Belongs here: its files. Does not belong here: Feast's objects (`views.py`), what they answer (`computed.py`).

No password is written: an address that holds one is named by the platform's own variable, which Feast reads when it is started.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.redis_client import REDIS, redis_settings

FEATURE_STORE_FILE, DECLARATION_FILE, OBJECTS_FILE = "feature_store.yaml", "declaration.json", "objects.py"
OFFLINE_STORE = "platform_assets.features.feast_repository.offline_store.LakeOfflineStore"
_REGISTRY, _ONLINE_STORE = "${PLATFORM_ASSETS_FEAST_REGISTRY}", "${PLATFORM_ASSETS_FEAST_ONLINE_STORE}"
_HEAD = (
    "# Written by platform-assets whenever the online store is filled; changes are lost. "
    "`platform-assets features feast` writes it again.\n"
)
_OBJECTS = '''"""What is in the registry, so that `feast apply` changes and removes nothing: the platform writes it from the declaration."""

from pathlib import Path

from feast import FeatureStore

_store = FeatureStore(repo_path=str(Path(__file__).parent))
_listed = [
    *_store.list_entities(),
    *_store.list_batch_feature_views(),
    *_store.list_on_demand_feature_views(),
    *_store.list_feature_services(),
]
globals().update({f"object_{number}": one for number, one in enumerate(_listed)})
'''


def repository_folder(settings: FeastSettings) -> Path:
    """Where a use case's folder is."""
    return Path(settings.home) / settings.project


def write_folder(use_case: UseCase, settings: FeastSettings, lake_root: str) -> Path:
    """Write the files, each whole or not at all.

    Returns:
        The folder.
    """
    folder = repository_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    declared = json.dumps(use_case.model_dump(mode="json"), sort_keys=True)
    configuration = _HEAD + yaml.safe_dump(feature_store(settings, folder, lake_root), sort_keys=False, width=200)
    texts = {DECLARATION_FILE: declared, FEATURE_STORE_FILE: configuration, OBJECTS_FILE: _OBJECTS}
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            unfinished = path.with_name(f".{name}.{os.getpid()}")
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
    return folder


def feature_store(settings: FeastSettings, folder: Path, lake_root: str) -> dict[str, Any]:
    """Feast's configuration, without passwords."""
    return {
        "project": settings.project,
        "provider": "local",
        "registry": {"registry_type": "sql", "path": _shown_registry(settings), "cache_ttl_seconds": 0},
        "online_store": _shown_online_store(settings),
        "offline_store": {"type": OFFLINE_STORE, "declaration": str(folder.absolute() / DECLARATION_FILE), "lake": _absolute(lake_root)},
        "entity_key_serialization_version": 3,
    }  # fmt: skip


def settings_of(folder: Path) -> FeastSettings:
    """The platform's settings for the store that a folder names, its variables filled in.

    Raises:
        FeatureError: the folder has no `feature_store.yaml`, or a variable that it names is not set.
    """
    from feast.repo_config import load_repo_config

    path = folder / FEATURE_STORE_FILE
    if not path.is_file():
        raise FeatureError(f"{path} is not there; materialize the online store asset")
    config = load_repo_config(folder, path)
    registry = str(config.registry.path)
    if registry == _REGISTRY:
        raise FeatureError(f"{path} names the variable PLATFORM_ASSETS_FEAST_REGISTRY; set it as the platform has it")
    online = config.online_store.model_dump(mode="json", exclude_none=True)
    return FeastSettings(project=config.project, registry=registry, online_store=online, home=str(folder.parent))


def _absolute(root: str) -> str:
    return root if "://" in root else str(Path(root).absolute())


def _shown_registry(settings: FeastSettings) -> str:
    try:
        holds_password = make_url(settings.registry).password is not None
    except ArgumentError:
        holds_password = True
    return _REGISTRY if holds_password or settings.secrets is not None else settings.registry


def _shown_online_store(settings: FeastSettings) -> dict[str, Any] | str:
    online = dict(settings.online_store)
    if settings.sqlite_path is not None:
        return {**online, "path": str(settings.sqlite_path.absolute())}
    if settings.secrets is not None or "password" in json.dumps(online, default=str).lower():
        return _ONLINE_STORE
    return redis_settings(online) if online.get("type") == REDIS else online
