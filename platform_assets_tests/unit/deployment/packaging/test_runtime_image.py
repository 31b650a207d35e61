"""What the runtime image carries."""

from platform_assets.deployment.packaging.build import ROOT
from platform_assets.deployment.packaging.runtime_image import (
    FETCHING,
    platform_requirements,
    runtime_requirements,
)
from platform_assets.deployment.packaging.sources import imports

IMAGES = ROOT / "deploy" / "images"


def listed(name: str) -> list[str]:
    return (IMAGES / name).read_text().split()


def test_the_images_are_built_from_the_lock() -> None:
    how = "write them anew: python -m platform_assets.deployment.packaging.runtime_image"
    assert listed("serving/requirements.txt") == runtime_requirements(ROOT), how
    without = listed("platform/requirements.txt")
    assert without == platform_requirements(ROOT, torch=False), how
    assert sorted([*without, *listed("platform/requirements-torch.txt")]) == sorted(
        platform_requirements(ROOT, torch=True)
    ), how


def test_the_platform_trains_and_talks_to_its_stores() -> None:
    names = {line.partition("==")[0] for line in listed("platform/requirements.txt")}
    assert {
        "dagster",
        "dagster-k8s",
        "dagster-postgres",
        "mlflow",
        "optuna",
        "psycopg-binary",
        "redis",
        "boto3",
    } <= names
    assert not names & {"torch", "pytest", "moto"}
    assert "torch" in {line.partition("==")[0] for line in listed("platform/requirements-torch.txt")}


def test_no_service_needs_what_only_training_needs() -> None:
    names = {line.partition("==")[0] for line in listed("serving/requirements.txt")}
    assert not names & {"torch", "dagster", "mlflow", "evidently", "matplotlib", "optuna", "ray"}
    assert {
        "bentoml",
        "feast",
        "xgboost-cpu",
        "scikit-learn",
        "safetensors",
        "psycopg",
        "redis",
        "confluent-kafka",
    } <= names


def test_what_fetches_a_release_lies_in_the_image() -> None:
    copied = (IMAGES / "serving" / "Containerfile").read_text()
    for file in FETCHING:
        assert file in copied
        ours = {name.replace(".", "/") + ".py" for name in imports(ROOT / file) if name.startswith("serving.")}
        assert {name for name in ours if (ROOT / name).is_file()} <= set(FETCHING)
