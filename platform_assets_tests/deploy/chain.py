"""`make chain`: from a commit to production and back, on this machine, with a timeline.

Belongs here: the order of steps, their clock and what each has to show. Does not belong here: what any step does, which is the platform's
own command, git, helm or kubectl.

What is real: git, the CI files and both runners, the platform's commands, training, gates, helm, kubectl, the service, Envoy. What is
simulated, and says so in the timeline: the cluster (`platform_assets_tests/kubernetes/cluster`, whose pods are processes of this machine),
Argo CD (`simulated_argo.py`), an image updater, and the forge: a bare repository on disk, whose `main` takes a branch once both runners are
green (`chain_ci.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from platform_assets.declaration.days import ONE_DAY
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.deployment.gitops.release_file import read_release_file, write_release_file
from platform_assets.pipelines.gitops.automation import AUTOMATION
from platform_assets.pipelines.timeline import plan
from platform_assets.testing.servers import postgresql, redis
from platform_assets_tests.deploy.chain_ci import (
    ADDRESS,
    MergeRefused,
    checked_by,
    merge_by_itself,
    outcome,
    push_branch,
    use_ci,
)
from platform_assets_tests.deploy.ci.runners import RUNNERS
from platform_assets_tests.deploy.simulated_argo import SimulatedArgo
from platform_assets_tests.deploy.timeline import Timeline, say
from platform_assets_tests.kubernetes.serving_world import serving_world
from platform_assets_tests.kubernetes.tools import ROOT
from platform_assets_tests.unit.deployment.gitops_files import bare_repository, git

USE_CASE = "card_fraud"
PLATFORM, RELEASES = ADDRESS, "https://git.example/team/releases.git"
IMAGE = f"registry.example/platform-assets@sha256:{'1' * 64}"
FILE = f"environments/production/{USE_CASE}/release.yaml"
TRANSACTION = {
    "transaction_id": 999000000001,
    "transaction_time": "2018-09-25T12:00:00Z",
    "customer_id": 7,
    "terminal_id": 11,
    "amount": 42.5,
}
DECLARATION = Path("platform_assets") / "defs" / USE_CASE / "defs.yaml"
MOST_SECONDS = 900
"""From the commit to a verified answer; the bar."""
COMMAND_SECONDS = 3600


class Chain:
    """A team's two repositories, an installation, and a cluster."""

    def __init__(self, folder: Path, world: Any, environment: Mapping[str, str], address: str, namespace: str) -> None:
        self.folder, self.world, self.address, self.namespace = folder, world, address, namespace
        self.code, self.releases = folder / "code.git", folder / "releases.git"
        self.work, self.review = folder / "work", folder / "review"
        self.environment = {**environment, "PYTHONPATH": str(self.work), "DAGSTER_HOME": str(self.work)}

    def platform(self, *words: str, fails: bool = False) -> str:
        """A command of the platform, from the team's checkout."""
        command = [sys.executable, "-m", "platform_assets.cli", *words]
        done = subprocess.run(
            command,
            cwd=self.work,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{' '.join(words)}: {done.stdout[-4000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def score(self) -> httpx.Response:
        """What a caller gets."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{self.address}/v1/{USE_CASE}/score", json=TRANSACTION)
        assert answer.status_code == 200, answer.text
        return answer

    def file(self) -> Any:
        """The release on the branch that deploys."""
        return read_release_file(git(self.releases, "show", f"main:{FILE}"), FILE)

    def argo(self) -> SimulatedArgo:
        """The stand-in, with what only this cluster has: pods see their home where this machine has it."""
        least = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "4Gi"}}
        reconciler = {
            "image": IMAGE, "serviceAccount": "default", "configMap": "platform-assets-settings", "home": str(self.folder),
            "claims": {"home": "shared", "predictionLog": "", "releases": ""}, "attempts": 0, "resources": least,
        }  # fmt: skip
        clones = self.folder / "argo"
        clones.mkdir(exist_ok=True)
        return SimulatedArgo(
            {PLATFORM: self.code, RELEASES: self.releases},
            clones,
            self.world.cluster.kubeconfig,
            {"deploy/helm/release": {"reconciler": reconciler}},
            {"platform-production": self.namespace},
        )

    def sync(self) -> str:
        """Let the stand-in bring the cluster to what git says; what the platform's job said."""
        argo = self.argo()
        wanted = f"{USE_CASE.replace('_', '-')}-production"
        found = {one["metadata"]["name"]: one for one in argo.applications(ROOT / "deploy" / "argocd" / "root.yaml")}
        return argo.sync(found[wanted], lambda line: say(f"  {line}"))


def prepare(chain: Chain) -> None:
    """What is there before the commit: repositories, settings in the cluster, a first model that serves."""
    git(chain.folder, "clone", "-q", "--no-hardlinks", str(ROOT), str(chain.work))
    git(chain.work, "checkout", "-q", "-B", "main")
    (chain.work / ".venv").symlink_to(Path(sys.prefix))
    git(chain.folder, "init", "-q", "--bare", "-b", "main", str(chain.code))
    git(chain.work, "remote", "set-url", "origin", str(chain.code))
    use_ci(chain.work)
    git(chain.work, "push", "-q", "origin", "main")
    bare_repository(chain.releases)
    git(chain.folder, "clone", "-q", str(chain.releases), str(chain.review))
    place = chain.review / "environments" / "production"
    place.mkdir(parents=True)
    (place / "reconciler.yaml").write_text(yaml.safe_dump({"reconciler": {"image": IMAGE}}))
    git(chain.review, "add", "-A")
    git(chain.review, "commit", "-qm", "The reconciler of production")
    git(chain.review, "push", "-q", "origin", "HEAD:main")
    settings = {
        name: text for name, text in chain.environment.items() if name.startswith(("PLATFORM_ASSETS", "DAGSTER"))
    }
    body = {"metadata": {"name": "platform-assets-settings"}, "data": settings}
    chain.world.cluster.post(f"/api/v1/namespaces/{chain.namespace}/configmaps", body)


def commit_change(chain: Chain) -> str:
    """A team's change, on a branch: from now on new versions begin as a canary."""
    path = chain.work / DECLARATION
    text = path.read_text()
    stages = ("{strategy: canary, steps_percent: [50], step_minutes: 0.5, at_most_hours: 1}", "{strategy: replace}")
    canary = "rollout:\n" + "".join(f"      - {stage}\n" for stage in stages) + "    "
    assert "  serving:\n    " in text
    path.write_text(text.replace("  serving:\n    ", f"  serving:\n    {canary}", 1))
    git(chain.work, "commit", "-qam", "New versions begin as a canary")
    push_branch(chain.work, "canary")
    return git(chain.work, "rev-parse", "--short", "HEAD").strip()


def refused_by_a_runner(chain: Chain) -> str:
    """A change that lowers a floor goes the same way, and stops at the first runner."""
    path = chain.work / DECLARATION
    text = path.read_text()
    assert "auc_roc, bound: 0.80" in text
    path.write_text(text.replace("auc_roc, bound: 0.80", "auc_roc, bound: 0.70", 1))
    git(chain.work, "commit", "-qam", "A floor that is easier to pass")
    push_branch(chain.work, "lower-floor")
    git(chain.work, "reset", "-q", "--hard", "HEAD~1")
    verdict = checked_by("gitlab-ci-local", "lower-floor", chain.code, chain.folder)
    assert not verdict.passed, verdict.printed[-4000:]
    assert "gates.floors.auc_roc.bound is looser: 0.8 → 0.7" in verdict.comment, verdict.comment
    try:
        merge_by_itself("lower-floor", dict.fromkeys(RUNNERS, verdict), chain.code, chain.folder)
    except MergeRefused as error:
        return str(error)
    raise AssertionError("a branch was merged that a runner had refused")


def train_candidate(chain: Chain) -> str:
    """The next model up to its champion asset, which proposes it; the day that it is trained as of."""
    use_case = declared_use_cases(USE_CASE)[0].use_case
    day = (plan(use_case).live.last + ONE_DAY).isoformat()
    tables = [
        "training/training_set",
        f"model/{use_case.model_name}",
        "model/evaluation",
        "model/card",
        "model/champion",
    ]
    wanted = " or ".join(f'key:"{USE_CASE}/{table}"' for table in tables)
    dg = str(Path(sys.executable).parent / "dg")
    done = subprocess.run(
        [dg, "launch", "--assets", wanted, "--partition", day],
        cwd=chain.work,
        env=os.environ | chain.environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return day


def merge(chain: Chain, branch: str) -> None:
    """The one thing that a person does."""
    git(chain.review, "fetch", "-q", "origin")
    git(chain.review, "checkout", "-q", "-B", "main", "origin/main")
    git(chain.review, "merge", "-q", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
    git(chain.review, "push", "-q", "origin", "main")


def simulated_image_updater(chain: Chain, version: str) -> None:
    """Writes a newer version into the file and drops the hold, as a tool does that knows neither ledger nor holds."""
    git(chain.review, "fetch", "-q", "origin")
    git(chain.review, "checkout", "-q", "-B", "main", "origin/main")
    proposed = read_release_file(
        git(chain.review, "show", f"origin/promote/{USE_CASE}/{version}/production:{FILE}"), FILE
    )
    bumped = proposed.model_copy(update={"ledger_entry": chain.file().ledger_entry, "hold": None})
    (chain.review / FILE).write_text(write_release_file(bumped))
    git(chain.review, "commit", "-qam", "simulated image updater: newest version")
    git(chain.review, "push", "-q", "origin", "main")


def live_through(chain: Chain) -> tuple[Timeline, float]:
    """From the commit to production, and back; the timeline, and the seconds to the verified answer."""
    timeline = Timeline()
    with timeline.step("commit and push of a branch") as notes:
        notes.append(commit_change(chain))
    verdicts = {}
    for runner in RUNNERS:
        with timeline.step(f"CI: the asset checks of the branch by {runner}") as notes:
            verdicts[runner] = checked_by(runner, "canary", chain.code, chain.folder)
            assert verdicts[runner].passed, verdicts[runner].printed[-6000:]
            notes.append(f"{outcome(verdicts[runner])}, and its comment stands on the request")
    with timeline.step("the protected main takes the branch by itself (simulated)") as notes:
        notes.append(merge_by_itself("canary", verdicts, chain.code, chain.folder))
        git(chain.work, "fetch", "-q", "origin")
        git(chain.work, "reset", "-q", "--hard", "origin/main")
    with timeline.step("the next model by Dagster: trained, judged by its gates, and proposed by automation") as notes:
        notes.append(f"as of {train_candidate(chain)}")
        branch = f"promote/{USE_CASE}/2/production"
        file = read_release_file(git(chain.releases, "show", f"{branch}:{FILE}"), FILE)
        assert (file.model.version, file.decided.by) == ("2", AUTOMATION)
        assert chain.score().json()["model_version"] == "1", "nothing moves before the merge"
        notes.append(f"{branch} waits")
    with timeline.step("merge (the hand)"):
        merge(chain, branch)
    with timeline.step("sync by the simulated Argo CD: the job checks, promotes, begins the canary") as notes:
        notes.append(chain.sync().strip().splitlines()[-1].strip())
    with timeline.step("canary under replayed traffic, until its verdict") as notes:
        notes.append(
            next(
                (
                    line.strip()
                    for line in chain.platform("rollout", "rehearse", USE_CASE).splitlines()
                    if "failed; the rollout" in line
                ),
                "",
            )
        )
        chain.platform("gitops", "reconcile", USE_CASE)
    with timeline.step("verified answer") as notes:
        answer = chain.score()
        assert answer.json()["model_version"] == "2", answer.text
        notes.append(f"{answer.headers['x-service-version']} answers {answer.json()['probability']:.4f}")
    to_production = timeline.seconds
    say(f"\ncommit to production: {to_production:.0f} s")
    go_back(chain, timeline)
    return timeline, to_production


def go_back(chain: Chain, timeline: Timeline) -> None:
    """A person rolls back; git says so, and nothing takes it away."""
    with timeline.step("models rollback") as notes:
        chain.platform("models", "rollback", USE_CASE, "--why", "declines doubled", "--who", "on call")
        assert chain.score().json()["model_version"] == "1"
    with timeline.step("written back to git, and held") as notes:
        chain.platform("gitops", "reconcile", USE_CASE)
        file = chain.file()
        assert file.hold is not None
        assert file.model.version == "1"
        notes.append(f"version {file.model.version}, held by {file.hold.by}: {file.hold.why}")
    with timeline.step("simulated image updater, then a sync: nothing is promoted") as notes:
        simulated_image_updater(chain, "2")
        chain.sync()
        assert (chain.file().model.version, chain.score().json()["model_version"]) == ("1", "1")
        assert chain.file().hold is not None
        notes.append("version 1 answers, git says so again")
    chain.platform("gitops", "status", USE_CASE)


def main() -> int:
    """Live through it once, and print the timeline."""
    with tempfile.TemporaryDirectory(prefix="platform-assets-chain-") as scratch:
        folder = Path(scratch)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        images = {IMAGE: {"python": sys.executable, "environment": {**inherited, "PYTHONPATH": str(folder / "work")}}}
        with postgresql() as registry, redis() as store, serving_world(folder / "world", images) as world:
            registry.stop()
            registry.start(max_connections=100)
            home = folder / "home"
            cluster = world.settings(shared=folder, start_timeout_seconds=180)
            environment = {
                "PLATFORM_ASSETS_HOME": str(home),
                "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
                "PLATFORM_ASSETS_SIMULATION": json.dumps({"customers": 1000, "terminals": 2000}),
                "PLATFORM_ASSETS_REPLAYED_REQUESTS": "200",
                "PLATFORM_ASSETS_TARGET": "kubernetes",
                "PLATFORM_ASSETS_KUBERNETES": cluster.model_dump_json(),
                "PLATFORM_ASSETS_FEAST_REGISTRY": registry.url,
                "PLATFORM_ASSETS_FEAST_ONLINE_STORE": json.dumps(store.online_store),
                "PLATFORM_ASSETS_GITOPS": json.dumps({"repository": str(folder / "releases.git")}),
            }
            chain = Chain(folder, world, environment, cluster.address, cluster.namespace)
            began = time.monotonic()
            say("» before the commit: a first model, trained and deployed (not counted)")
            prepare(chain)
            chain.platform("run", USE_CASE)
            chain.platform("gitops", "reconcile", USE_CASE)
            assert chain.file().model.version == "1"
            say(f"  {time.monotonic() - began:.0f} s")
            say("» before the commit: a branch that lowers a floor (not counted)")
            say(f"  {refused_by_a_runner(chain)}")
            try:
                timeline, to_production = live_through(chain)
            finally:
                chain.platform("stop")
    timeline.show()
    met = to_production < MOST_SECONDS
    verdict = "met" if met else "MISSED"
    say(f"\ncommit to production: {to_production:.0f} s; the bar is {MOST_SECONDS} s: {verdict}")
    say(f"and back, held: {timeline.seconds:.0f} s")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
