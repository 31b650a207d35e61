"""A stand-in for Argo CD, which no package carries: it reads the applications of `deploy/argocd`, renders them and applies them in waves.

Belongs here: the part of Argo CD that our files use: list and file generators, Go templates of plain fields, several sources with
`$ref` value files, sync waves, and waiting for jobs. Does not belong here: anything that decides what serves. Whoever reads its output has
to know that no real Argo CD ran.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from platform_assets_tests.kubernetes.tools import run_tool
from platform_assets_tests.unit.deployment.gitops_files import git

Manifest = dict[str, Any]
WAVE = "argocd.argoproj.io/sync-wave"
TRACKED = "simulated-argo/application"
_FIELD = re.compile(r'\{\{ \.([\w.]+)(?: \| replace "(.)" "(.)")? \}\}')


class SimulatedArgo:
    """What it reads from, and where it applies.

    Args:
        repositories: folder of a repository by the address that applications name.
        folder: for its clones.
        kubeconfig: of the cluster; None renders only.
        values: further values by path of a chart, such as an image that only this cluster has.
        namespaces: the cluster's namespace instead of one that an application names.
    """

    def __init__(
        self,
        repositories: Mapping[str, Path],
        folder: Path,
        kubeconfig: Path | None = None,
        values: Mapping[str, Mapping[str, Any]] | None = None,
        namespaces: Mapping[str, str] | None = None,
    ) -> None:
        self.repositories, self.folder, self.kubeconfig = repositories, folder, kubeconfig
        self.values, self.namespaces = values or {}, namespaces or {}

    def checkout(self, address: str) -> Path:
        """A clone of a repository's main branch, as it is now."""
        clone = self.folder / address.rstrip("/").rpartition("/")[2]
        if not clone.exists():
            git(self.folder, "clone", "-q", str(self.repositories[address]), str(clone))
        git(clone, "fetch", "-q", "origin", "main")
        git(clone, "reset", "-q", "--hard", "origin/main")
        return clone

    def applications(self, root: Path) -> list[Manifest]:
        """Every application below a root application: those that stand there, and those that sets make."""
        spec = yaml.safe_load(root.read_text())["spec"]["source"]
        folder = self.checkout(spec["repoURL"]) / spec["path"]
        found: list[Manifest] = []
        for path in sorted(folder.glob("*.yaml")):
            for one in yaml.safe_load_all(path.read_text()):
                if one["kind"] == "Application":
                    found.append(one)
                elif one["kind"] == "ApplicationSet":
                    found += [self._application(one, parameters) for parameters in self._generated(one)]
        return found

    def _generated(self, application_set: Manifest) -> Iterator[Mapping[str, Any]]:
        for generator in application_set["spec"]["generators"]:
            yield from generator.get("list", {}).get("elements", [])
            files = generator.get("git", {})
            checkout = self.checkout(files["repoURL"]) if files else None
            for wanted in files.get("files", []):
                assert checkout is not None
                for path in sorted(checkout.glob(wanted["path"])):
                    folder = path.parent.relative_to(checkout).as_posix()
                    yield {**yaml.safe_load(path.read_text()), "path": {"path": folder}}

    def _application(self, application_set: Manifest, parameters: Mapping[str, Any]) -> Manifest:
        template = application_set["spec"]["template"]
        made = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", **filled(template, parameters)}
        made["metadata"]["namespace"] = application_set["metadata"]["namespace"]
        return made

    def render(self, application: Manifest) -> list[Manifest]:
        """The manifests of an application, by the real helm."""
        spec = application["spec"]
        sources = spec.get("sources") or [spec["source"]]
        checkouts = {one["ref"]: self.checkout(one["repoURL"]) for one in sources if "ref" in one}
        found: list[Manifest] = []
        for source in sources:
            if "ref" in source:
                continue
            chart, helm = self.checkout(source["repoURL"]) / source["path"], source.get("helm", {})
            arguments = ["template", helm.get("releaseName", application["metadata"]["name"]), str(chart)]
            arguments += ["--namespace", self._namespace(spec)]
            for name in helm.get("valueFiles", []):
                place, _, rest = name.partition("/")
                arguments += ["--values", str(checkouts[place.removeprefix("$")] / rest)]
            for parameter in helm.get("parameters", []):
                arguments += ["--set", f"{parameter['name']}={parameter['value']}"]
            further = self.values.get(source["path"])
            done = run_tool(
                "helm",
                *arguments,
                *(["--values", "-"] if further else []),
                text=yaml.safe_dump(dict(further)) if further else None,
            )
            assert done.returncode == 0, done.stderr
            found += [one for one in yaml.safe_load_all(done.stdout) if one]
        return found

    def _namespace(self, spec: Mapping[str, Any]) -> str:
        name = spec["destination"]["namespace"]
        return self.namespaces.get(name, str(name))

    def sync(self, application: Manifest, log: Callable[[str], None], timeout_seconds: float = 600) -> str:
        """Apply an application wave by wave, with the real kubectl; what its jobs said last.

        Raises:
            AssertionError: kubectl refused it, or a job failed.
        """
        name, namespace = application["metadata"]["name"], self._namespace(application["spec"])
        said = ""
        for wave, members in groupby(sorted(self.render(application), key=wave_of), key=wave_of):
            manifests = list(members)
            for one in manifests:
                one["metadata"].setdefault("labels", {})[TRACKED] = name
            text = yaml.safe_dump_all(manifests)
            arguments = ["apply", "--server-side", "--force-conflicts", "--field-manager", "simulated-argo"]
            self._kubectl(*arguments, "--namespace", namespace, "--filename", "-", text=text)
            log(f"simulated Argo CD: {name}, wave {wave}: {', '.join(one['kind'] for one in manifests)}")
            for one in manifests:
                if one["kind"] == "Job":
                    said = self._wait_for_job(namespace, one["metadata"]["name"], timeout_seconds)
        return said

    def _wait_for_job(self, namespace: str, name: str, timeout_seconds: float) -> str:
        deadline = time.monotonic() + timeout_seconds
        while True:
            job = json.loads(self._kubectl("get", "job", name, "--namespace", namespace, "--output", "json"))
            status = job.get("status", {})
            done = {one["type"] for one in status.get("conditions", []) if one["status"] == "True"}
            if {"Complete", "Failed"} & done or time.monotonic() > deadline:
                selector = f"job-name={name}"
                said = self._kubectl("logs", "--namespace", namespace, "--selector", selector, "--tail", "60")
                assert "Complete" in done, f"job {name}: {status}\n{said}"
                return said
            time.sleep(0.5)

    def _kubectl(self, *arguments: str, text: str | None = None) -> str:
        assert self.kubeconfig is not None, "it was made to render only"
        done = run_tool("kubectl", *arguments, kubeconfig=self.kubeconfig, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout


def wave_of(manifest: Manifest) -> int:
    """The wave that a manifest is applied in."""
    return int((manifest["metadata"].get("annotations") or {}).get(WAVE, 0))


def filled(value: Any, parameters: Mapping[str, Any]) -> Any:
    """A template with its fields filled in; one that is lacking is an error, as `missingkey=error` says."""
    if isinstance(value, dict):
        return {key: filled(item, parameters) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, parameters) for item in value]
    return _FIELD.sub(lambda match: _looked_up(match, parameters), value) if isinstance(value, str) else value


def _looked_up(match: re.Match[str], parameters: Mapping[str, Any]) -> str:
    found: Any = parameters
    for key in match[1].split("."):
        found = found[key]
    return str(found).replace(match[2], match[3]) if match[2] else str(found)
