"""AWS Secrets Manager, by boto3: the identity is whatever boto3 finds, such as a pod's or a machine's role.

Belongs here: this source. Does not belong here: what is stored under which name (`stored.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from platform_assets.secret_sources.base import SecretBundle
from platform_assets.secret_sources.errors import (
    LibraryMissing,
    SecretsDenied,
    SecretsMisshapen,
    SecretsMissing,
    SecretsUnreachable,
)
from platform_assets.secret_sources.stored import StoredSettings, StoredText

ABSENT = ("ResourceNotFoundException", "InvalidRequestException")
"""The second one is a secret that is about to be deleted."""
BROKEN = ("InternalServiceError", "ThrottlingException", "ServiceUnavailable", "RequestLimitExceeded")
_CONNECT_SECONDS, _ANSWER_SECONDS = 5, 10


class AwsSettings(StoredSettings):
    """`{"kind": "aws", "region": "eu-west-1", "document": "platform-assets/production"}`."""

    kind: Literal["aws"]
    region: str | None = Field(default=None, min_length=1)
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s@]+$")

    def opened(self, environment: Mapping[str, str]) -> AwsSource:
        """As `SourceSettings.opened`."""
        return AwsSource(self)


@dataclass(frozen=True)
class AwsSource:
    """Secrets of one account and region."""

    settings: AwsSettings

    @property
    def place(self) -> str:
        """As `SecretSource.place`."""
        return f"AWS Secrets Manager in {self.settings.region or 'the default region'}"

    def read(self) -> SecretBundle:
        """As `SecretSource.read`."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise LibraryMissing("AWS Secrets Manager needs `platform-assets[s3]` (boto3)") from None
        config = Config(
            connect_timeout=_CONNECT_SECONDS, read_timeout=_ANSWER_SECONDS, retries={"total_max_attempts": 2}
        )
        try:
            client = boto3.session.Session().client(
                "secretsmanager", region_name=self.settings.region, endpoint_url=self.settings.endpoint, config=config
            )
        except BotoCoreError as error:
            raise SecretsMissing(f"{self.place} cannot be asked: {error}. Set `region`") from None
        return self.settings.bundle(lambda name: self._fetched(client, name))

    def _fetched(self, client: Any, name: str) -> StoredText:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            answer = client.get_secret_value(SecretId=name)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ABSENT:
                raise SecretsMissing(
                    f"{self.place} has no secret {name} ({code}). Store it, or correct the name"
                ) from None
            if code in BROKEN:
                raise SecretsUnreachable(
                    f"{self.place} does not answer about {name} ({code}). Try again later"
                ) from None
            raise SecretsDenied(f"{self.place} refuses {name} ({code}). Check the role's policy and key") from None
        except (NoCredentialsError, PartialCredentialsError):
            raise SecretsDenied(
                f"{self.place}: no identity was found. Give the pod or machine a role, or set the AWS variables"
            ) from None
        except BotoCoreError as error:
            raise SecretsUnreachable(
                f"{self.place} does not answer ({type(error).__name__}). Check endpoint and network"
            ) from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise SecretsMisshapen(f"{self.place}: {name} holds bytes; store text")
        return StoredText(text, str(answer.get("VersionId", "")))
