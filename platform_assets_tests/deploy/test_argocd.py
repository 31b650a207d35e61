"""deploy/argocd without a cluster: linters, schemas, the health checks in a real Lua, and what every application renders.

No Argo CD runs here. What its own controllers would do (generating applications, syncing in waves) a stand-in does, which says so.
"""

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from platform_assets.deployment.gitops.release_file import WrittenHold, write_release_file
from platform_assets_tests.deploy.chart import CHART, PROFILES, hold_against_schemas, pods
from platform_assets_tests.deploy.simulated_argo import SimulatedArgo, wave_of
from platform_assets_tests.kubernetes.test_custom_kinds import complaints, models
from platform_assets_tests.kubernetes.tools import ROOT, own_python, run_tool, tool
from platform_assets_tests.unit.deployment.gitops_files import DECIDED, git, release

pytestmark = pytest.mark.kubernetes
__all__ = ["models"]
ARGOCD = ROOT / "deploy" / "argocd"
PLATFORM, RELEASES = "https://git.example/team/platform-assets.git", "https://git.example/team/releases.git"
RECONCILER = {"reconciler": {"image": f"registry.example/platform-assets@sha256:{'1' * 64}"}}
HOLD = WrittenHold(by="verdict", why="worse by 3 %", since=DECIDED.at)
ACCEPTED = {
    "double-coverage": "one chart in three namespaces is what environments are",
    "floating-target-revision": "a branch that only merges change; the page says how to name a tag",
}
MODELS = {
    kind: f"@kubernetes-models/argo-cd/argoproj.io/v1alpha1/{kind}"
    for kind in ("Application", "ApplicationSet", "AppProject")
}


@pytest.fixture(scope="module")
def argo(tmp_path_factory: pytest.TempPathFactory) -> SimulatedArgo:
    """Both repositories as a team has them: the platform's files, and two releases."""
    folder = tmp_path_factory.mktemp("argo")
    platform = folder / "platform"
    for name in ("argocd", "helm"):
        shutil.copytree(ROOT / "deploy" / name, platform / "deploy" / name)
    git(platform, "init", "-q", "-b", "main")
    git(platform, "add", "-A")
    git(platform, "commit", "-q", "-m", "platform")
    releases = folder / "releases"
    for environment in ("dev", "staging", "production"):
        place = releases / "environments" / environment
        place.mkdir(parents=True)
        shutil.copyfile(CHART / PROFILES["production"][0], place / "platform.yaml")
        (place / "reconciler.yaml").write_text(yaml.safe_dump(RECONCILER))
    for file in (
        release("3", use_case="card_fraud", hold=HOLD),
        release("7", use_case="bike_demand", environment="staging"),
    ):
        place = releases / "environments" / file.environment / file.use_case
        place.mkdir(parents=True)
        (place / "release.yaml").write_text(write_release_file(file))
    git(releases, "init", "-q", "-b", "main")
    git(releases, "add", "-A")
    git(releases, "commit", "-q", "-m", "releases")
    (folder / "clones").mkdir()
    return SimulatedArgo({PLATFORM: platform, RELEASES: releases}, folder / "clones")


def applications(argo: SimulatedArgo) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in argo.applications(ARGOCD / "root.yaml")}


def test_every_environment_has_a_platform_and_every_merged_release_an_application(argo: SimulatedArgo) -> None:
    found = applications(argo)
    assert set(found) == {
        "platform-dev", "platform-staging", "platform-production", "card-fraud-production", "bike-demand-staging",
    }  # fmt: skip
    assert found["card-fraud-production"]["spec"]["destination"]["namespace"] == "platform-production"
    assert found["card-fraud-production"]["metadata"]["annotations"]["platform-assets/decided-by"] == "head of risk"


def test_each_application_renders_what_kubernetes_schemas_take(argo: SimulatedArgo) -> None:
    for application in applications(argo).values():
        manifests = argo.render(application)
        hold_against_schemas(manifests)
        assert {one["metadata"].get("namespace", "") for one in manifests} <= {
            application["spec"]["destination"]["namespace"], "gateways", "",
        }  # fmt: skip


def test_stores_and_settings_come_first_then_migrations_then_what_reads_them_and_releases_last(
    argo: SimulatedArgo,
) -> None:
    found = applications(argo)
    waves = {(one["kind"], one["metadata"]["name"]): wave_of(one) for one in argo.render(found["platform-production"])}
    jobs = {name: wave for (kind, name), wave in waves.items() if kind == "Job"}
    assert jobs
    assert set(jobs.values()) == {1}
    assert {wave for (kind, _), wave in waves.items() if kind == "Deployment"} == {2}
    assert {wave for (kind, _), wave in waves.items() if kind not in ("Job", "Deployment")} == {0}
    assert "helm.sh/hook" not in json.dumps(argo.render(found["platform-production"]))
    sets = {
        one["metadata"]["name"]: wave_of(one)
        for path in (ARGOCD / "apps").glob("*.yaml")
        for one in yaml.safe_load_all(path.read_text())
    }
    assert sets == {"platform-assets": -1, "platform": 0, "releases": 1}


def test_a_release_is_a_job_by_digest_that_is_made_anew_when_release_or_hold_change(
    argo: SimulatedArgo, tmp_path: Path
) -> None:
    def job(**changed: Any) -> dict[str, Any]:
        values = tmp_path / "release.yaml"
        values.write_text(write_release_file(release("3", use_case="card_fraud").model_copy(update=changed)))
        further = tmp_path / "reconciler.yaml"
        further.write_text(yaml.safe_dump(RECONCILER))
        chart = str(ROOT / "deploy" / "helm" / "release")
        done = run_tool("helm", "template", "release", chart, "--values", str(values), "--values", str(further))
        assert done.returncode == 0, done.stderr
        return next(one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Job")

    first = job()
    [container] = first["spec"]["template"]["spec"]["containers"]
    assert container["command"][-3:] == ["gitops", "reconcile", "card_fraud"]
    assert "@sha256:" in container["image"]
    names = {made["metadata"]["name"] for made in (first, job(decided=DECIDED))}
    assert len(names) == 1
    assert job(hold=HOLD)["metadata"]["name"] not in names
    assert job(ledger_entry="a/b")["metadata"]["name"] not in names, "the same version, merged again after a move"
    assert job(model=release("4").model)["metadata"]["name"] not in names


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("reconciler.image=registry.example/platform-assets:latest", "image"),
        ("evidence.passed=false", "passed"),
        ("environment=prod", "environment"),
        ("service.digest=latest", "digest"),
        ("surprise=1", "surprise"),
    ],
)
def test_values_that_no_release_has_are_refused_by_name(tmp_path: Path, setting: str, names: str) -> None:
    values = tmp_path / "release.yaml"
    values.write_text(write_release_file(release("3", use_case="card_fraud")))
    chart, image = str(ROOT / "deploy" / "helm" / "release"), RECONCILER["reconciler"]["image"]
    given = ["--values", str(values), "--set", f"reconciler.image={image}"]
    done = run_tool("helm", "template", "release", chart, *given, "--set", setting)
    assert done.returncode != 0
    assert names in done.stderr


def test_no_pod_of_a_release_is_privileged(argo: SimulatedArgo) -> None:
    for spec in pods(argo.render(applications(argo)["card-fraud-production"])).values():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_argocheck_walks_the_app_of_apps(argo: SimulatedArgo, tmp_path: Path) -> None:
    root = tmp_path / "root.yaml"
    root.write_text((ARGOCD / "root.yaml").read_text().replace(PLATFORM, f"file://{argo.repositories[PLATFORM]}"))
    done = checked("argocheck", str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("platform-assets", "AppProject", "ApplicationSet"):
        assert name in done.stdout
    root.write_text(root.read_text().replace("deploy/argocd/apps", "deploy/argocd/aps"))
    assert checked("argocheck", str(root)).returncode != 0, "a misspelt path is noticed"


def test_argocd_source_lint_finds_nothing_and_planted_faults(argo: SimulatedArgo, tmp_path: Path) -> None:
    """It reads no Go templates, so that it is given the applications that they make."""
    copied = tmp_path / "platform"
    git(tmp_path, "clone", "-q", str(argo.repositories[PLATFORM]), str(copied))
    git(copied, "remote", "set-url", "origin", PLATFORM)
    generated = yaml.safe_dump_all(applications(argo).values())

    def findings(text: str) -> str:
        (copied / "generated.yaml").write_text(text)
        git(copied, "add", "-A")
        git(copied, "commit", "-q", "--allow-empty", "-m", "what the sets make")
        done = checked("argocd-source-lint", str(copied), "--format", "json")
        return "\n".join(
            f"{one['rule_id']} {one['message']}"
            for one in json.loads(done.stdout)["findings"]
            if one["severity"] not in ("info", "unverifiable") and one["rule_id"] not in ACCEPTED
        )

    assert findings(generated) == ""
    assert "broken-values-ref" in findings(generated.replace("ref: releases", "ref: release"))
    assert "phantom-target" in findings(generated.replace("deploy/helm/release", "deploy/helm/relase"))


def checked(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = own_python("argocd").parent / name
    path = f"{tool('helm').parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(ROOT / ".platform"), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, env=environment, timeout=120, check=False
    )


def test_argo_cd_s_own_types_take_every_object_and_refuse_planted_faults(
    models: Path, argo: SimulatedArgo, tmp_path: Path
) -> None:
    bodies = [
        one
        for path in [ARGOCD / "root.yaml", *(ARGOCD / "apps").glob("*.yaml")]
        for one in yaml.safe_load_all(path.read_text())
    ]
    (tmp_path / "good").mkdir()
    assert complaints(models, tmp_path / "good", [*bodies, *applications(argo).values()], MODELS) == ""
    broken = copy.deepcopy(bodies)
    by_kind = {one["kind"]: one for one in broken}
    by_kind["Application"]["spec"]["sorce"] = {}
    by_kind["ApplicationSet"]["spec"]["template"]["spec"]["syncPolicy"]["automated"]["prun"] = True
    by_kind["AppProject"]["spec"]["destinations"][0]["namespce"] = "a"
    (tmp_path / "bad").mkdir()
    said = complaints(models, tmp_path / "bad", broken, MODELS)
    for word in ("sorce", "prun", "namespce"):
        assert word in said


FLUX = {
    "GitRepository": "@kubernetes-models/flux-cd/source.toolkit.fluxcd.io/v1/GitRepository",
    "Kustomization": "@kubernetes-models/flux-cd/kustomize.toolkit.fluxcd.io/v1/Kustomization",
    "HelmRelease": "@kubernetes-models/flux-cd/helm.toolkit.fluxcd.io/v2/HelmRelease",
}


def test_flux_own_types_take_the_objects_of_its_page(models: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations" / "flux.md").read_text()
    bodies = list(yaml.safe_load_all(page.split("```")[1]))
    assert {one["kind"] for one in bodies} == set(FLUX)
    assert complaints(models, tmp_path, bodies, FLUX) == ""


def condition(kind: str, status: str, generation: int = 1, reason: str = "Why") -> dict[str, Any]:
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": reason, "message": "said so"}


def parents(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "status": {"parents": [{"conditions": list(conditions)}]}}


def ready(status: str, reason: str = "Why") -> dict[str, Any]:
    return {"metadata": {}, "status": {"conditions": [condition("Ready", status, reason=reason)]}}


HEALTH: list[tuple[str, dict[str, Any], str]] = [
    ("argoproj.io_Application", {"status": {"health": {"status": "Degraded", "message": "x"}}}, "Degraded"),
    ("argoproj.io_Application", {}, "Progressing"),
    ("ConfigMap", {"metadata": {"annotations": {"platform-assets/hold": "verdict: worse"}}}, "Suspended"),
    ("ConfigMap", {"metadata": {"annotations": {"platform-assets/hold": ""}}}, "Healthy"),
    ("ConfigMap", {"metadata": {}}, "Healthy"),
    ("gateway.networking.k8s.io_HTTPRoute", {"metadata": {"generation": 1}}, "Progressing"),
    (
        "gateway.networking.k8s.io_HTTPRoute",
        parents(condition("Accepted", "True"), condition("ResolvedRefs", "True")),
        "Healthy",
    ),
    ("gateway.networking.k8s.io_HTTPRoute", parents(condition("Accepted", "True")), "Progressing"),
    (
        "gateway.networking.k8s.io_HTTPRoute",
        parents(condition("Accepted", "True"), condition("ResolvedRefs", "False")),
        "Degraded",
    ),
    (
        "gateway.networking.k8s.io_HTTPRoute",
        parents(condition("Accepted", "True", 7), condition("ResolvedRefs", "True", 7)),
        "Progressing",
    ),
    (
        "gateway.networking.k8s.io_Gateway",
        {"metadata": {}, "status": {"conditions": [condition("Programmed", "True")]}},
        "Healthy",
    ),
    (
        "gateway.networking.k8s.io_Gateway",
        {"metadata": {}, "status": {"conditions": [condition("Accepted", "False")]}},
        "Degraded",
    ),
    ("gateway.networking.k8s.io_Gateway", {"metadata": {}}, "Progressing"),
    ("external-secrets.io_ExternalSecret", ready("True"), "Healthy"),
    ("external-secrets.io_ExternalSecret", ready("False"), "Degraded"),
    ("external-secrets.io_ExternalSecret", {"metadata": {}}, "Progressing"),
    ("keda.sh_ScaledObject", ready("True"), "Healthy"),
    (
        "keda.sh_ScaledObject",
        ready("True") | {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}},
        "Suspended",
    ),
    ("keda.sh_ScaledObject", ready("False"), "Degraded"),
    ("serving.kserve.io_InferenceService", ready("True"), "Healthy"),
    ("serving.kserve.io_InferenceService", ready("False", "PredictorFailed"), "Degraded"),
    ("serving.kserve.io_InferenceService", ready("False", "Unknown"), "Progressing"),
]
IN_LUA = """
import json, sys
from lupa.lua51 import LuaRuntime, lua_type
lua = LuaRuntime()
def table(value):
    if isinstance(value, dict): return lua.table_from({key: table(item) for key, item in value.items()})
    if isinstance(value, list): return lua.table_from([table(item) for item in value])
    return value
for script, body in json.load(sys.stdin):
    found = lua.eval("function(text) return loadstring('local obj = ... ' .. text) end")(script)(table(body))
    print(json.dumps([found.status, found.message]))
"""


def test_health_checks_say_what_is_the_matter_in_a_real_lua() -> None:
    scripts = yaml.safe_load((ARGOCD / "health" / "argocd-cm.yaml").read_text())["data"]
    tried = [(scripts[f"resource.customizations.health.{kind}"], body) for kind, body, _ in HEALTH]
    assert {f"resource.customizations.health.{kind}" for kind, _, _ in HEALTH} == set(scripts), "each is tried"
    done = subprocess.run(
        [str(own_python("argocd")), "-c", IN_LUA],
        input=json.dumps(tried),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [status for status, _ in found] == [status for *_, status in HEALTH]
    assert all(message for status, message in found if status in ("Degraded", "Suspended"))
