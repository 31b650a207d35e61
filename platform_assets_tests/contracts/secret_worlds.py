"""A world for each source of secrets: somewhere to store secrets, and the accidents that can happen there.

Belongs here: what differs from source to source. Does not belong here: what each has to do (`test_secret_sources.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.secret_sources.delivered import deliver
from platform_assets.testing.servers import free_port, s3
from platform_assets.testing.simulated_managers import TOKEN, simulated_manager
from platform_assets.testing.vault_server import vault

NOWHERE = "http://127.0.0.1:1"
Do = Callable[[], object]


@dataclass
class SecretWorld:
    """A source somebody set up.

    Attributes:
        setting: what `PLATFORM_ASSETS_SECRETS` says of it.
        put: stores secrets in place of those that are there.
        accidents: what can go wrong here, by the name of the error it is: brings it about.
        elsewhere: the setting of the same source at an address where nobody answers; None where there is no address.
        environment: variables that it logs in by.
    """

    setting: dict[str, Any]
    put: Callable[[Mapping[str, Any]], object]
    accidents: dict[str, Do]
    elsewhere: dict[str, Any] | None = None
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def variables_world(folder: Path) -> Iterator[SecretWorld]:
    environment: dict[str, str] = {}

    def put(values: Mapping[str, Any]) -> None:
        environment.clear()
        environment.update({f"TEAM_{name}": text for name, text in values.items()})

    yield SecretWorld(
        {"kind": "env", "prefix": "TEAM_"}, put, {"SecretsMissing": environment.clear}, environment=environment
    )


@contextmanager
def folder_world(folder: Path) -> Iterator[SecretWorld]:
    place = folder / "secrets"
    place.mkdir()

    def put(values: Mapping[str, Any]) -> None:
        for path in place.iterdir():
            path.unlink()
        for name, text in values.items():
            (place / name).write_text(f"{text}\n")
            (place / name).chmod(0o600)

    def misshapen() -> None:
        (place / "BYTES").write_bytes(b"\xff\xfe\x00")
        (place / "BYTES").chmod(0o600)

    def denied() -> None:
        next(path for path in place.iterdir()).chmod(0o644)

    accidents: dict[str, Do] = {
        "SecretsMissing": lambda: put({}),
        "SecretsMisshapen": misshapen,
        "SecretsDenied": denied,
    }
    yield SecretWorld({"kind": "file", "folder": str(place)}, put, accidents)


@contextmanager
def json_file_world(folder: Path) -> Iterator[SecretWorld]:
    path = folder / "secrets.json"

    def put(values: Mapping[str, Any]) -> None:
        path.write_text(json.dumps(dict(values)))
        path.chmod(0o600)

    accidents: dict[str, Do] = {
        "SecretsMissing": path.unlink,
        "SecretsMisshapen": lambda: path.write_text('["canary"]'),
        "SecretsDenied": lambda: path.chmod(0o640),
    }
    yield SecretWorld({"kind": "file", "path": str(path)}, put, accidents)


@contextmanager
def mounted_world(folder: Path) -> Iterator[SecretWorld]:
    place = folder / "mounted"
    accidents: dict[str, Do] = {"SecretsMissing": lambda: deliver({}, place)}
    yield SecretWorld({"kind": "kubernetes", "folder": str(place)}, lambda values: deliver(values, place), accidents)


@contextmanager
def object_world(folder: Path) -> Iterator[SecretWorld]:
    account = folder / "account"
    account.mkdir()
    (account / "token").write_text(TOKEN)
    (account / "namespace").write_text("ml")
    with simulated_manager() as manager:
        setting = {"kind": "kubernetes", "secret": "platform", "api": manager.address, "account": str(account)}
        accidents: dict[str, Do] = {
            "SecretsMissing": manager.secrets.clear,
            "SecretsMisshapen": lambda: setattr(manager, "broken", "canary"),
            "SecretsDenied": lambda: setattr(manager, "allowed", False),
        }
        yield SecretWorld(
            setting, lambda v: manager.put("platform", json.dumps(dict(v))), accidents, setting | {"api": NOWHERE}
        )


@contextmanager
def azure_world(folder: Path) -> Iterator[SecretWorld]:
    with simulated_manager() as manager:
        setting = {"kind": "azure", "vault": manager.address, "machine": manager.address, "document": "platform"}
        accidents: dict[str, Do] = {
            "SecretsMissing": manager.secrets.clear,
            "SecretsMisshapen": lambda: manager.put("platform", "canary"),
            "SecretsExpired": lambda: manager.ends.update(platform=1.0),
            "SecretsDenied": manager.tokens.clear,
        }
        yield SecretWorld(
            setting, lambda v: manager.put("platform", json.dumps(dict(v))), accidents, setting | {"vault": NOWHERE}
        )


@contextmanager
def gcp_world(folder: Path) -> Iterator[SecretWorld]:
    with simulated_manager() as manager:
        setting = {
            "kind": "gcp",
            "project": "team",
            "document": "platform",
            "machine": manager.address,
            "endpoint": manager.address,
        }
        accidents: dict[str, Do] = {
            "SecretsMissing": manager.secrets.clear,
            "SecretsMisshapen": lambda: setattr(manager, "broken", '{"payload": {"data": "?"}}'),
            "SecretsDenied": lambda: setattr(manager, "allowed", False),
        }
        yield SecretWorld(
            setting, lambda v: manager.put("platform", json.dumps(dict(v))), accidents, setting | {"endpoint": NOWHERE}
        )


@contextmanager
def aws_world(folder: Path) -> Iterator[SecretWorld]:
    import boto3

    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    before = dict(os.environ)
    os.environ.update(keys)
    try:
        with s3() as server:
            client = boto3.session.Session().client(
                "secretsmanager", region_name="eu-west-1", endpoint_url=server.endpoint
            )

            def put(values: Mapping[str, Any]) -> None:
                text = json.dumps(dict(values))
                if any(one["Name"] == "platform" for one in client.list_secrets()["SecretList"]):
                    client.put_secret_value(SecretId="platform", SecretString=text)
                else:
                    client.create_secret(Name="platform", SecretString=text)

            setting = {"kind": "aws", "region": "eu-west-1", "endpoint": server.endpoint, "document": "platform"}
            accidents: dict[str, Do] = {
                "SecretsMissing": lambda: client.delete_secret(SecretId="platform", ForceDeleteWithoutRecovery=True),
                "SecretsMisshapen": lambda: client.put_secret_value(SecretId="platform", SecretBinary=b"canary"),
                "SecretsDenied": lambda: os.environ.pop("AWS_ACCESS_KEY_ID"),
            }
            yield SecretWorld(setting, put, accidents, setting | {"endpoint": f"http://127.0.0.1:{free_port()}"})
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def vault_world(folder: Path) -> Iterator[SecretWorld]:
    with vault() as server:
        server.allow("platform", "platform")
        setting = {
            "kind": "vault",
            "address": server.address,
            "login": server.role("platform", "platform"),
            "path": "platform",
        }
        accidents: dict[str, Do] = {
            "SecretsMissing": lambda: server.delete("platform"),
            "SecretsMisshapen": lambda: server.write("platform", {"PORT": 5432}),
            "SecretsDenied": lambda: server.forbid("platform"),
            "SecretsUnreachable": server.seal,
        }
        yield SecretWorld(
            setting, lambda values: server.write("platform", values), accidents, setting | {"address": NOWHERE}
        )


WORLDS = {
    "env": variables_world,
    "file, a folder": folder_world,
    "file, JSON": json_file_world,
    "kubernetes, mounted": mounted_world,
    "kubernetes, by the API": object_world,
    "azure": azure_world,
    "gcp": gcp_world,
    "aws": aws_world,
    "vault": vault_world,
}
