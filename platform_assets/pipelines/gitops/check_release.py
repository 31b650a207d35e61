"""Whether what a release file says is true, before anything moves.

Belongs here: comparing it with the registry, the verdict, the declaration and the service that is built from it. Does not belong here: the
file's own schema (`deployment/gitops/release_file.py`), or promoting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.gitops.release_file import ReleaseFile
from platform_assets.pipelines.gitops.describe_release import evidence_digest
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG


class ReleaseRefused(RuntimeError):
    """A release was not promoted, because what its file says is not so; the message names the field."""


def check_release(
    use_case: UseCase, file: ReleaseFile, version: RegisteredVersion, evidence: Mapping[str, Any]
) -> None:
    """Compare a file with what is known of the version.

    Args:
        use_case: as it is declared now.
        file: what was merged.
        version: the registered version that it names.
        evidence: the verdict that lies beside the model; empty for one that was not judged.

    Raises:
        ReleaseRefused: they differ; each field at fault is named.
    """
    wrong = [f"{field}: {problem}" for field, problem in _problems(use_case, file, version, evidence) if problem]
    if wrong:
        raise ReleaseRefused(
            f"the release of version {version.version} of {use_case.name} is refused. {'; '.join(wrong)}"
        )


def _problems(
    use_case: UseCase, file: ReleaseFile, version: RegisteredVersion, evidence: Mapping[str, Any]
) -> list[tuple[str, str]]:
    declared = feature_contract_hash(use_case)
    contract = version.tags.get("feature_contract", "")
    return [
        ("model.digest", _differs(file.model.digest, version.tags.get(MODEL_DIGEST_TAG, "unknown"), "registered")),
        ("model.as_of", _differs(file.model.as_of, version.tags.get("as_of", ""), "registered")),
        (
            "model.feature_contract",
            _differs(file.model.feature_contract, contract, "registered")
            or (_differs(contract, declared, "declared here") if contract else ""),
        ),
        ("evidence", "" if evidence else "the version was never judged; materialize its evaluation"),
        (
            "evidence.passed",
            "" if file.evidence.passed and evidence.get("passed") is True else "its gates did not pass",
        ),
        ("evidence.digest", _differs(file.evidence.digest, evidence_digest(evidence), "beside the model")),
        ("service", _service(use_case, file)),
    ]


def _differs(found: str, known: str, where: str) -> str:
    return "" if found == known else f"{found or 'nothing'} is not {known or 'nothing'}, which is {where}"


def _service(use_case: UseCase, file: ReleaseFile) -> str:
    if use_case.is_realtime and file.service is None:
        return "is absent, and the use case answers through a service"
    return "is named, and the use case has no service" if file.service is not None and not use_case.is_realtime else ""
