"""What is packed: the code the service imports, and the libraries that this code and the model need."""

from pathlib import Path

import pytest

from platform_assets.deployment.packaging.build import ROOT
from platform_assets.deployment.packaging.sources import (
    PackingError,
    imports,
    read_lock,
    requirements,
    service_modules,
    third_party,
)


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_service_carries_its_imports_and_nothing_of_the_asset_graph() -> None:
    modules = service_modules(ROOT)
    assert {
        "serving.bento",
        "serving.__main__",
        "platform_assets.features.online.request_features",
        "platform_assets.declaration",
    } <= set(modules)
    assert "platform_assets.training.learners.boosting" in modules
    others = (
        "platform_assets.orchestration.assets",
        "platform_assets.lake",
        "platform_assets.registry",
        "platform_assets.deployment",
    )
    assert not [name for name in modules if name.startswith(others)]
    heavy = {"dagster", "mlflow", "torch", "sklearn", "xgboost", "deltalake", "confluent_kafka", "matplotlib", "optuna"}
    assert not third_party(modules) & heavy
    assert {"numpy", "polars", "pydantic", "bentoml", "feast", "starlette", "uvicorn"} <= third_party(modules)


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    write(
        tmp_path,
        serving__init="",
        serving__a="def f():\n    from serving import b\n",
        serving__b="import serving.c.d\n",
        serving__c__init="",
        serving__c__d="import json\n",
        serving__unused="",
    )
    for package in ("serving", "serving/c"):
        (tmp_path / package / "init.py").rename(tmp_path / package / "__init__.py")
    found = service_modules(tmp_path, ["serving.a"])
    assert list(found) == ["serving", "serving.a", "serving.b", "serving.c", "serving.c.d"]


def test_members_that_a_registry_names_are_packed_with_what_they_import(tmp_path: Path) -> None:
    write(
        tmp_path,
        platform_assets__tasks__registry="""
from platform_assets.members import MemberRegistry
TASKS = MemberRegistry("task", {
    "binary": "platform_assets.tasks.binary:BINARY",
    "drawn": "platform_assets.evaluation.plots:PLOTS",
})
""",
        platform_assets__tasks__binary="from platform_assets.tasks import scores\nBINARY = scores",
        platform_assets__tasks__scores="",
        platform_assets__evaluation__plots="import dagster",
    )
    assert list(service_modules(tmp_path, ["platform_assets.tasks.registry"])) == [
        "platform_assets.tasks.binary",
        "platform_assets.tasks.registry",
        "platform_assets.tasks.scores",
    ]


def test_a_member_that_drags_the_asset_graph_along_is_refused(tmp_path: Path) -> None:
    write(tmp_path, serving__a='KINDS = {"x": "platform_assets.tasks.x:X"}', platform_assets__tasks__x="import dagster")
    with pytest.raises(PackingError, match=r"tasks/x\.py imports dagster"):
        service_modules(tmp_path, ["serving.a"])


def test_what_only_a_type_checker_sees_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import json\ntry:\n    import yaml\n"
        "except ImportError:\n    pass\n"
    )
    assert imports(path) == {"typing", "typing.TYPE_CHECKING", "json", "yaml"}


def test_code_that_drags_the_asset_graph_along_is_refused(tmp_path: Path) -> None:
    write(tmp_path, serving__a="def f():\n    import dagster as dg\n")
    with pytest.raises(PackingError, match=r"serving/a\.py imports dagster"):
        service_modules(tmp_path, ["serving.a"])


def test_a_missing_entry_point_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackingError, match=r"serving\.nothing"):
        service_modules(tmp_path, ["serving.nothing"])


def test_requirements_are_pinned_closed_and_only_what_is_needed(tmp_path: Path) -> None:
    pinned = requirements({"yaml"}, ["xgboost-cpu"], ROOT / "requirements.lock")
    names = [line.partition("==")[0] for line in pinned]
    assert names == sorted(names)
    assert {"bentoml", "uvicorn", "pyyaml", "xgboost-cpu", "scipy", "starlette"} <= set(names)
    assert not {"torch", "scikit-learn", "dagster", "feast"} & set(names)
    lock = read_lock(ROOT / "requirements.lock")
    assert all(line == f"{name}=={lock[name]}" for line, name in zip(pinned, names, strict=True))


def test_an_unpinned_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("bentoml==1.4.39\n    # via platform-assets\nuvicorn==0.54.0\n")
    with pytest.raises(PackingError, match=r"does not pin .*httptools"):
        requirements({"json"}, [], tmp_path / "requirements.lock")
