"""Custom resources: a definition that is stored becomes a kind that is served.

Belongs here: reading definitions, their status, and the definitions that the test cluster starts with.
Does not belong here: judging objects by their schemas (validation.py).
"""

from pathlib import Path
from typing import Any

from platform_assets_tests.kubernetes.cluster.errors import invalid
from platform_assets_tests.kubernetes.cluster.kinds import CUSTOM_RESOURCE, Kind, Traits
from platform_assets_tests.kubernetes.cluster.schemas import Schemas
from platform_assets_tests.kubernetes.cluster.store import ObjectStore
from platform_assets_tests.kubernetes.cluster.values import now

DEFINITIONS = Path(__file__).parent / "definitions"


def kinds_of(definition: dict[str, Any]) -> list[tuple[Kind, Traits, dict[str, Any]]]:
    """The kinds that a definition serves, what is special about each, and the version's declaration."""
    spec = definition["spec"]
    names, found = spec["names"], []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        subresources = tuple(sorted(version.get("subresources") or {}))
        traits = Traits(
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            subresources,
            names.get("singular") or names["kind"].lower(),
        )
        namespaced = spec["scope"] == "Namespaced"
        found.append(
            (Kind(spec["group"], version["name"], names["plural"], names["kind"], namespaced), traits, version)
        )
    return found


class CustomResources:
    """Keeps the served kinds in step with the stored definitions."""

    def __init__(self, store: ObjectStore, schemas: Schemas) -> None:
        self.store, self.schemas = store, schemas
        self.columns: dict[Kind, list[dict[str, Any]]] = {}
        """`additionalPrinterColumns` of each kind."""
        store.check.append(self._check)
        store.subscribe(self._changed)

    def install(self, folder: Path = DEFINITIONS) -> None:
        """Store every definition of a folder."""
        import yaml

        for path in sorted(folder.glob("*.yaml")):
            for definition in yaml.safe_load_all(path.read_text()):
                if definition:
                    self.store.create(CUSTOM_RESOURCE, None, definition)

    def _check(self, kind: Kind, body: dict[str, Any], old: dict[str, Any] | None) -> None:
        if kind != CUSTOM_RESOURCE:
            return
        spec, name = body["spec"], body["metadata"]["name"]
        wanted = f"{spec['names']['plural']}.{spec['group']}"
        causes = []
        if name != wanted:
            causes.append(
                (
                    "FieldValueInvalid",
                    "metadata.name",
                    f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group',
                )
            )
        if len([version for version in spec["versions"] if version.get("storage")]) != 1:
            told = "Invalid value: must have exactly one version marked as storage version"
            causes.append(("FieldValueInvalid", "spec.versions", told))
        for place, version in enumerate(spec["versions"]):
            if not (version.get("schema") or {}).get("openAPIV3Schema"):
                path = f"spec.versions[{place}].schema.openAPIV3Schema"
                causes.append(("FieldValueRequired", path, "Required value: schemas are required"))
        if causes:
            raise invalid(CUSTOM_RESOURCE, name, causes)

    def _changed(self, event: str, kind: Kind, body: dict[str, Any]) -> None:
        if kind != CUSTOM_RESOURCE:
            return
        spec = body["spec"]
        if event == "DELETED":
            for served, *_ in kinds_of(body):
                self.schemas.forget(served)
            self.store.kinds.remove(spec["group"], spec["names"]["plural"])
            return
        for served, traits, version in kinds_of(body):
            self.store.kinds.add(served, traits, storage=bool(version.get("storage")))
            self.schemas.define(served, version["schema"]["openAPIV3Schema"])
            self.columns[served] = version.get("additionalPrinterColumns") or []
        if not body.get("status"):
            self.store.change(CUSTOM_RESOURCE, None, body["metadata"]["name"], _accept, manager="kube-apiserver")


def _accept(definition: dict[str, Any]) -> None:
    spec = definition["spec"]
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()}
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    names = {"singular": spec["names"]["kind"].lower(), "listKind": f"{spec['names']['kind']}List", **spec["names"]}
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    definition["status"] = {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}
