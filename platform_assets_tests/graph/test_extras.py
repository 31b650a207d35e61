"""Optional is optional: without an extra everything loads that does not need it, and what needs it is refused by its name."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from platform_assets import extras
from platform_assets.extras import APART, EXTRAS, ExtraMissing, NeededExtra, lacking, require_extras
from platform_assets.monitoring.drift import DriftLimits, drift_report
from platform_assets.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

LOADS = """
import copy, importlib.machinery, json, sys
from pathlib import Path

import yaml

from platform_assets.extras import EXTRAS

path = Path(sys.argv[1])
given = yaml.safe_load((path / "defs.yaml").read_text())["attributes"]


class Absent:
    def __init__(self, hidden):
        self.hidden = hidden

    def find_spec(self, name, places=None, target=None):
        if name.partition(".")[0] in self.hidden:
            return None
        return importlib.machinery.PathFinder.find_spec(name, places, target)


def without(given):
    given["training"]["learners"] = [one for one in given["training"]["learners"] if one["kind"] != "torch_mlp"]
    given["serving"]["mode"] = "batch"
    del given["serving"]["unknown"]
    for window in given["features"][1]["windows"]:
        window["delay_days"] = max(1, window.get("delay_days", 0))


def from_topic(given):
    del given["sources"][2]["late"]
    given["sources"][2]["connector"] = {"kind": "kafka", "topic": "payments", "brokers": "BROKERS"}


def from_stream(given):
    del given["sources"][2]["late"]
    given["sources"][2]["connector"] = {"kind": "kinesis", "stream": "payments"}


def on_cluster(given):
    given["training"]["learners"][1]["search"] = {"space": {"C": {"type": "float", "low": 0.1, "high": 1}}, "engine": "ray"}


def for_triton(given):
    given["serving"]["platform"] = "triton"


def as_it_is(given):
    pass


USES = {"serving": as_it_is, "torch": as_it_is, "kafka": from_topic, "s3": from_stream, "ray": on_cluster, "onnx": for_triton}


def loaded(change, hidden):
    from platform_assets.declaration import UseCase
    from platform_assets.orchestration.component import use_case_definitions

    declared = copy.deepcopy(given)
    change(declared)
    for name in [name for name in sys.modules if name.partition(".")[0] in hidden]:
        raise SystemExit(f"{name} was imported before it was needed")
    try:
        use_case_definitions(UseCase.model_validate(declared), path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


place = sys.meta_path.index(importlib.machinery.PathFinder)
found = {}
for extra, modules in EXTRAS.items():
    sys.meta_path[place] = Absent(modules)
    found[extra] = [loaded(without, modules), *([loaded(USES[extra], modules)] if extra in USES else [])]
sys.meta_path[place] = Absent([module for modules in EXTRAS.values() for module in modules])
found["all"] = [loaded(without, [])]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loads() -> dict[str, list[str]]:
    """By extra: what became of the default use case without what needs it and, where a declaration can need it, with it; each in an
    interpreter in which the extra's modules are not there."""
    folder = ROOT / "platform_assets" / "defs" / "card_fraud"
    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(folder)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("extra", [*EXTRAS, "all"])
def test_definitions_load_without_an_extra_that_nothing_needs(loads: dict[str, list[str]], extra: str) -> None:
    assert loads[extra][0] == ""


@pytest.mark.parametrize(
    ("extra", "needed_by"),
    [
        ("serving", "serving.mode realtime"),
        ("torch", "learner neural_network (torch_mlp)"),
        ("kafka", "source transactions (kafka)"),
        ("s3", "source transactions (kinesis)"),
        ("ray", "search of learner logistic_regression (ray)"),
        ("onnx", "serving.platform triton"),
    ],
)
def test_what_needs_an_extra_is_refused_in_one_sentence(
    loads: dict[str, list[str]], extra: str, needed_by: str
) -> None:
    (told,) = loads[extra][1:]
    assert told.startswith("ExtraMissing: card_fraud: ")
    assert needed_by in told
    assert f"pip install 'platform-assets[{extra}]'" in told
    assert "\n" not in told


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that can be left out is there."""
    monkeypatch.setattr(extras, "find_spec", lambda _: None)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("variable", "value", "extra"),
    [
        ("MLFLOW", "postgresql://mlflow@db/mlflow", "postgresql"),
        ("FEAST_REGISTRY", "postgresql+psycopg://feast@db/feast", "postgresql"),
        ("MLFLOW_ARTIFACTS", "s3://bucket/mlflow", "s3"),
        ("EXECUTOR", "kubernetes", "kubernetes"),
        ("TARGET", "kubernetes", "kubernetes"),
        ("RAY_ADDRESS", "auto", "ray"),
    ],
)
def test_a_setting_that_needs_an_extra_names_itself_and_the_extra(variable: str, value: str, extra: str) -> None:
    with pytest.raises(SettingsError, match=rf"PLATFORM_ASSETS_{variable} needs.*platform-assets\[{extra}\]"):
        Settings.from_environment({f"PLATFORM_ASSETS_{variable}": value})


@pytest.mark.usefixtures("bare")
def test_the_embedded_default_needs_none() -> None:
    assert Settings.from_environment({}).needed_extras == ()


@pytest.mark.usefixtures("bare")
def test_several_are_named_in_one_command() -> None:
    needed = [NeededExtra("torch", "learner a"), NeededExtra("kafka", "source b"), NeededExtra("torch", "learner c")]
    with pytest.raises(ExtraMissing) as refused:
        require_extras(needed)
    assert str(refused.value) == (
        "learner a, learner c needs the extra `torch` (torch not installed); source b needs the extra `kafka` (confluent_kafka not "
        "installed): pip install 'platform-assets[torch,kafka]', or `make setup` for everything"
    )


@pytest.mark.usefixtures("bare")
def test_evidentlys_report_without_evidently_says_what_is_missing(tmp_path: Path) -> None:
    from platform_assets.monitoring.evidently_report import evidently_report

    frame = pl.DataFrame({"amount": [float(value) for value in range(500)]})
    result = drift_report(frame, frame, ["amount"], DriftLimits(max_ks=0.1, max_psi=0.2, min_rows=100))
    with pytest.raises(ExtraMissing, match=r"platform-assets\[evidently\]"):
        evidently_report(frame, frame, result, tmp_path / "evidently.html")


def test_every_extra_stands_in_the_project_with_what_brings_its_modules() -> None:
    listed: dict[str, list[str]] = dict(PROJECT["optional-dependencies"])
    everything = Requirement(listed.pop("all")[0])
    assert set(listed) == set(EXTRAS) == everything.extras | set(APART)
    providers = packages_distributions()
    core = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    for extra, texts in listed.items():
        required = {Requirement(text).name for text in texts} | {
            f"{Requirement(text).name}[{one}]" for text in texts for one in Requirement(text).extras
        }
        own = {canonicalize_name(name) for name in required if "[" not in name}
        assert not own & core, f"{extra}: {own & core} is in the core already"
        for module in EXTRAS[extra] if extra not in APART else ():
            brought = {canonicalize_name(name) for name in providers[module]} | {f"feast[{module}]"}
            assert brought & (own | required), f"{extra}: nothing in pyproject.toml brings {module}"
    assert all(lacking(extra) == () for extra in everything.extras), "the project's own environment has every extra"


def test_the_family_of_dagster_is_one_patch() -> None:
    texts = [*PROJECT["dependencies"], *(text for one in PROJECT["optional-dependencies"].values() for text in one)]
    patches: dict[str, Any] = {
        one.name: next(iter(one.specifier)).version.rpartition(".")[2]
        for one in map(Requirement, texts)
        if one.name.startswith("dagster")
    }
    assert len(patches) == 6
    assert len(set(patches.values())) == 1, patches
