"""The file that says which release of a use case serves in an environment.

Belongs here: its fields, reading and writing it. Does not belong here: where it lies (`git_repository.py`), or whether what it says is true
(`pipelines/gitops/`).

Its keys are plain at the top, so that Argo CD's file generator and a Helm chart read them as they are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from platform_assets.declaration.yaml_text import load_yaml

API_VERSION: Literal["platform-assets/v1"] = "platform-assets/v1"
FILE_NAME = "release.yaml"
HEAD = """# Which release of this use case serves in this environment. Written by `platform-assets models promote --pr`, by rollbacks and by
# `platform-assets gitops reconcile`; merging a change of it deploys. docs/operations/gitops.md
"""
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(max_length=4000)]


class ReleaseFileError(ValueError):
    """A release file cannot be read; the message names the field."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class ReleasedModel(_Part):
    """The registered model."""

    version: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")] = Field(description="In the registry.")
    digest: Text = Field(min_length=1, description="Of the model's own files.")
    as_of: Text = Field(description="Day that it was trained as of.")
    learner: Text = ""
    feature_contract: Text = Field(default="", description="Hash of what its features mean.")


class ReleasedService(_Part):
    """What answers."""

    digest: Digest = Field(description="Of the packed code, requirements, declaration and model.")
    image: Text | None = Field(default=None, description="Image by digest, where one was pushed for this release.")


class ReleasedCode(_Part):
    """The code that made the model."""

    version: Text = Field(description="Digest of the package's files.")
    commit: Text | None = Field(default=None, description="Git commit of the checkout that proposed the release.")


class ReleaseEvidence(_Part):
    """The verdict of the gates."""

    digest: Digest = Field(description="Of the whole verdict, which lies beside the model.")
    passed: bool
    reason: Text
    gates: int = Field(ge=0, description="How many were judged.")
    compared_with: Text | None = Field(default=None, description="Champion that it was compared with.")


class ReleaseDecision(_Part):
    """Who decided it."""

    by: Text = Field(min_length=1)
    why: Text
    at: AwareDatetime


class WrittenHold(_Part):
    """Why automation changes nothing until a person lifts it."""

    by: Text
    why: Text
    since: AwareDatetime
    until: AwareDatetime | None = None
    entry: Text | None = Field(
        default=None, description="The ledger's entry; absent in a hold that was written by hand."
    )


class ReleaseFile(_Part):
    """One use case's release in one environment."""

    apiVersion: Literal["platform-assets/v1"] = API_VERSION
    kind: Literal["Release"] = "Release"
    use_case: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
    environment: Literal["dev", "staging", "production"]
    model: ReleasedModel
    service: ReleasedService | None = Field(default=None, description="Absent where no service answers.")
    code: ReleasedCode
    evidence: ReleaseEvidence
    decided: ReleaseDecision
    ledger_entry: Text | None = Field(
        default=None, description="The newest move of the champion that whoever wrote the file knew of; none at first."
    )
    hold: WrittenHold | None = None


def read_release_file(text: str, where: str) -> ReleaseFile:
    """The file's content.

    Args:
        text: of the file.
        where: how messages call it.

    Raises:
        ReleaseFileError: it is no YAML, or a field is missing, unknown or wrong; every field at fault is named.
    """
    try:
        values, _ = load_yaml(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ReleaseFileError(f"{where} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ReleaseFileError(f"{where} holds no fields; it begins with `apiVersion: {API_VERSION}`")
    try:
        return ReleaseFile.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        raise ReleaseFileError(f"{where} cannot be used. {'; '.join(problems)}") from error


def write_release_file(file: ReleaseFile) -> str:
    """The text of the file: the same content gives the same bytes."""
    values = file.model_dump(mode="json")
    return HEAD + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=130)


def release_folder(environment: str, use_case: str) -> str:
    """Folder of a release in the repository."""
    return f"environments/{environment}/{use_case}"


def in_utc(moment: datetime | None) -> datetime | None:
    """A time as files hold it: to the second, so that writing and reading changes nothing."""
    return None if moment is None else moment.replace(microsecond=0)
