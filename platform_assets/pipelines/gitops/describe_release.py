"""A registered version as a release file describes it.

Belongs here: from tags, evidence and a decision to the file. Does not belong here: whether a file is true (`check_release.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from platform_assets.deployment.gitops.errors import GitFailed
from platform_assets.deployment.gitops.git import Git
from platform_assets.deployment.gitops.release_file import (
    ReleasedCode,
    ReleaseDecision,
    ReleasedModel,
    ReleasedService,
    ReleaseEvidence,
    ReleaseFile,
    in_utc,
)
from platform_assets.pipelines.gitops.delivery_rules import hold_in_file
from platform_assets.registry.base import Environment, RegisteredVersion
from platform_assets.registry.holds import DeliveryHold
from platform_assets.registry.training_run import MODEL_DIGEST_TAG

_GIT_SECONDS = 10.0
_LONGEST_TEXT = 2000


def evidence_digest(evidence: Mapping[str, Any]) -> str:
    """What tells one verdict from another."""
    text = json.dumps(evidence, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def describe_release(
    version: RegisteredVersion,
    evidence: Mapping[str, Any],
    environment: Environment,
    *,
    service_digest: str | None,
    decided: tuple[str, str, datetime],
    ledger_entry: str | None,
    hold: DeliveryHold | None = None,
    commit: str | None = None,
) -> ReleaseFile:
    """The file about a version.

    Args:
        version: as it is registered.
        evidence: the verdict on it.
        environment: that it serves in.
        service_digest: of its service; None where no service answers.
        decided: who decided it, why and when.
        ledger_entry: the newest move of the champion that is known.
        hold: in force.
        commit: of the checkout that proposes it.
    """
    by, why, at = decided
    moment = in_utc(at)
    assert moment is not None
    return ReleaseFile(
        use_case=version.use_case,
        environment=environment,
        model=ReleasedModel(
            version=version.version,
            digest=version.tags.get(MODEL_DIGEST_TAG, "unknown"),
            as_of=version.tags.get("as_of", ""),
            learner=version.tags.get("learner", ""),
            feature_contract=version.tags.get("feature_contract", ""),
        ),
        service=None if service_digest is None else ReleasedService(digest=service_digest),
        code=ReleasedCode(version=version.tags.get("code_version", ""), commit=commit),
        evidence=ReleaseEvidence(
            digest=evidence_digest(evidence),
            passed=evidence.get("passed") is True,
            reason=str(evidence.get("reason", ""))[:_LONGEST_TEXT],
            gates=len(evidence.get("gates", ())),
            compared_with=evidence.get("champion"),
        ),
        decided=ReleaseDecision(by=by or "nobody named", why=why[:_LONGEST_TEXT], at=moment),
        ledger_entry=ledger_entry,
        hold=hold_in_file(hold),
    )


def commit_here() -> str | None:
    """Git commit of the folder that this process works in, with `-dirty` where something is not committed; None outside of git."""
    git = Git(Path.cwd(), ("nobody", "nobody@localhost"), _GIT_SECONDS)
    try:
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*").strip() or None
    except GitFailed:
        return None
