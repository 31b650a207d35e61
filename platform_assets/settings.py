"""The settings of an installation, read from the environment here and nowhere else.

Belongs here: every setting with its default and its environment variable. Does not belong here: the parts that are made from them
(`installation.py`), or anything a team declares about a use case.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from platform_assets.connectors.access import Access
from platform_assets.deployment.callers import CallersUnusable, parse_tokens
from platform_assets.deployment.environments import PORTS, PRODUCTION, default_home, environment_home, make_home
from platform_assets.deployment.gitops.settings import GitOpsSettings
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.registry import TARGETS
from platform_assets.deployment.serving_home import LogFormat
from platform_assets.extras import NEEDED_BY_SETTINGS, ExtraMissing, NeededExtra, require_extras
from platform_assets.members import nearest
from platform_assets.monitoring.open_lineage.delivery import OpenLineageAddress
from platform_assets.recovery.settings import BackupSettings
from platform_assets.secret_sources.base import SourceSettings
from platform_assets.secret_sources.errors import SourceMisconfigured
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.secret_sources.registry import parse_source
from serving.settings import OtlpEndpoint

PREFIX = "PLATFORM_ASSETS_"
OPTIONAL = ("ray_address", "feature_memory_megabytes", "training_workers", "prediction_log_copy", "lake_copy")
"""Settings that are read as they are, and None where nothing is set."""
SECRETS_VARIABLE = f"{PREFIX}SECRETS"
LENT_VARIABLE = f"{PREFIX}LENT"
"""Names of variables that this project set for libraries and child processes; a person did not."""
_OTHERS = (f"{PREFIX}SERVING_", f"{PREFIX}LOCAL_", f"{PREFIX}TESTS_", LENT_VARIABLE)


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names the environment variable."""


def object_store_options(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Endpoint and keys of the object store; read where they are used, so that no resource shows them.

    Raises:
        SettingsError: when a setting cannot be used.
    """
    return Settings.from_environment(environment).object_store


def environment_variables() -> Mapping[str, str]:
    """The environment as it is, without the secrets of a source."""
    return os.environ


def home_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The installation's home: the folder that `PLATFORM_ASSETS_HOME` names, else the one of the project around the current folder."""
    return Path(environment.get(f"{PREFIX}HOME") or default_home(Path.cwd())).absolute()


def keeps_all_in_home(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether tables and models lie below the home; elsewhere a home may be empty and there is much to see."""
    return not any(environment.get(f"{PREFIX}{name}") for name in ("LAKE", "MLFLOW", "KUBERNETES"))


@lru_cache(maxsize=8)
def _chosen(text: str) -> tuple[SourceSettings, KeptSecrets]:
    chosen = parse_source(text, SECRETS_VARIABLE)
    return chosen, KeptSecrets(chosen.opened(os.environ), chosen.refresh_seconds)


def kept_secrets(environment: Mapping[str, str] = os.environ) -> KeptSecrets | None:
    """The source of secrets that the environment names, with what was read of it; None where it names none.

    Raises:
        SourceMisconfigured: it cannot be used.
    """
    text = environment.get(SECRETS_VARIABLE)
    return _chosen(text)[1] if text else None


def with_secrets(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """The environment, and the secrets of the source that it names. What a person set wins, unless the setting says otherwise.

    Raises:
        SecretError: the source cannot be read.
    """
    kept = kept_secrets(environment)
    if kept is None:
        return environment
    return {**environment, **{name: text for name, text in kept.values().items() if not is_set(name, environment)}}


def secrets_seen(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """What was read of the source of secrets so far; it is not asked."""
    try:
        kept = kept_secrets(environment)
    except SourceMisconfigured:
        return {}
    return {} if kept is None else kept.seen


def is_set(name: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a person gave a variable a value, so that a secret of that name does not count."""
    text, lent = environment.get(SECRETS_VARIABLE), environment.get(LENT_VARIABLE, "").split(",")
    if name in (SECRETS_VARIABLE, LENT_VARIABLE):
        return True
    return bool(environment.get(name)) and name not in lent and not (text and _chosen(text)[0].wins == "source")


def _parsed(name: str, text: str, *, secret: bool = False) -> Any:
    """The JSON in a variable; a secret one is not shown."""
    try:
        return json.loads(text)
    except ValueError as error:
        shown = "" if secret else f"; found {text!r}"
        raise SettingsError(f"{PREFIX}{name.upper()} is not JSON: {error}{shown}") from error


def _place(location: Sequence[str | int]) -> str:
    """The variable that a setting is read from, and the field within it."""
    variable, *fields = location
    return str(variable).upper() + "".join(f" {'.'.join(map(str, fields))}" if fields else "")


def _tokens(text: str) -> dict[str, list[str]]:
    """The tokens in a variable.

    Raises:
        SettingsError: it holds something else; nothing of it is shown.
    """
    try:
        return parse_tokens(text, f"{PREFIX}CALLER_TOKENS") if text else {}
    except CallersUnusable as error:
        raise SettingsError(str(error)) from None


def definitions_are_checked(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether definitions are loaded to be checked, by `dg check defs` or `dagster definitions validate`: nothing may be left out then."""
    return environment.get("DAGSTER_IS_DEFS_VALIDATION_CLI") == "1"


class Settings(BaseModel):
    """Settings of this installation. Every field `x` is read from `PLATFORM_ASSETS_X`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Path = Field(
        description="Folder for everything that is written; default `.platform/default` of the project around the current folder, which a "
        "`dagster.yaml` or a `.platform` marks, and of the current folder where there is none."
    )
    lake: str = Field(description="Root of the Delta tables: a folder or an `s3://` address.")
    mlflow: str = Field(repr=False, description="MLflow tracking address.")
    environment: Literal["dev", "staging", "production"] = Field(
        default="production",
        description="Whose champion, services and online store are meant. Production has the home itself and MLflow's aliases `champion` "
        "and `challenger`; every other has `HOME/environments/NAME`, aliases such as `staging-champion`, and an address, store keys, "
        "locks, prediction log and Dagster instance of its own. Lake, registry and ledger are shared.",
    )
    mlflow_artifacts: str | None = Field(
        description="Where MLflow keeps artifacts: a folder or an `s3://` address; when not set a folder below `home`, or what the server "
        "says where `mlflow` is the address of a server."
    )
    feast_registry: str = Field(repr=False, description="SQLAlchemy address of Feast's registry.")
    feast_online_store: dict[str, Any] = Field(repr=False, description="Feast's online store configuration, as JSON.")
    prediction_log_copy: Path | None = Field(
        default=None,
        description="Folder on another disk or machine that services write every prediction to as well, through to the device, before they "
        "answer; target `local` alone.",
    )
    lake_copy: str | None = Field(
        default=None,
        description="Folder on another disk or machine, or an `s3://` address, that every commit to the lake is copied to before its write "
        "returns; needs `backup`, whose full backups it begins anew from.",
    )
    backup: BackupSettings | None = Field(
        default=None,
        description="Where backups go, how many stay and when they are made and tried, as JSON; none are made when not set.",
    )
    port: int = Field(
        default=PORTS[PRODUCTION],
        ge=1024,
        le=65535,
        description="Port of the address that services answer on; default 8700 in production, 8710 in staging, 8720 in dev.",
    )
    metrics_port: int = Field(
        default=PORTS[PRODUCTION] + 1, ge=1024, le=65535, description="Port of `metrics serve`; default `port` + 1."
    )
    target: str = Field(
        default="local",
        description="Kind of target that services are deployed on: `local`, processes on this machine behind a proxy.",
    )
    kubernetes: ClusterSettings | None = Field(
        default=None, description="The cluster that target `kubernetes` deploys on, as JSON."
    )
    callers: Literal["on", "off"] | None = Field(
        default=None,
        description="Whether callers of the address are checked as `serving.callers` declares: `on` or `off`; when not set, as it was last "
        "put in force, and off at first. `platform-assets callers apply` and every run put it in force.",
    )
    caller_tokens: dict[str, list[str]] = Field(
        default_factory=dict,
        repr=False,
        description='Tokens of callers, as JSON: `{"checkout": "token"}`, or `["new", "old"]` while one takes the place of another.',
    )
    caller_tokens_file: Path | None = Field(
        default=None, description="File with further tokens, the same JSON, which only its owner may read."
    )
    caller_tls: dict[str, str] | None = Field(
        default=None,
        description="Certificates of the address, as JSON with the absolute paths `certificate`, `key` and, for callers that show "
        "certificates, `client_ca`; the address speaks plain HTTP when not set.",
    )
    executor: Literal["in_process", "multiprocess", "kubernetes"] = Field(
        default="in_process",
        description="Where the steps of a run execute: in its own process one after the other, a process for each, or a pod for each.",
    )
    automation: Literal["on", "off"] = Field(
        default="on",
        description="Whether what is due starts by itself while Dagster's daemon runs, as it does under `make dev`: `on` or `off`. What "
        "somebody turned on or off in Dagster stays so.",
    )
    simulated_clock: Path | None = Field(
        default=None,
        description="File with the time that what is due is judged by, for worlds that are simulated; the machine's time when not set.",
    )
    otlp: OtlpEndpoint | None = Field(default=None, description="OTLP receiver over HTTP that traces go to, if any.")
    openlineage: OpenLineageAddress | None = Field(
        default=None, description="Where OpenLineage events go, if anywhere."
    )
    log_format: LogFormat = Field(default="text", description="Format of services' and programs' own messages.")
    alertmanager: str | None = Field(
        default=None,
        pattern="^https?://",
        description="Address of the Alertmanager that pages ask which alerts fire; the one of `make observe` when not set.",
    )
    alert_receivers: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Who can be told of alerts, as JSON; keys stand in files that are named."
    )
    ray_address: str | None = Field(
        default=None,
        min_length=1,
        description="Ray cluster that searches, fits with more than one worker and backfills in shards run on: `host:port` of its "
        "head, or `auto` for the one that this machine is part of; this machine alone when not set. Needs `platform-assets[ray]`.",
    )
    feature_memory_megabytes: int | None = Field(
        default=None,
        ge=512,
        description="Memory of a process that computes days of a feature table; a range that would take more is computed in shards.",
    )
    scratch: Path = Field(description="Folder for what waits between two stages of a backfill in shards.")
    training_workers: int | None = Field(
        default=None, ge=1, le=256, description="Processes that fit a network, in place of its learner's `workers`."
    )
    replayed_requests: int = Field(
        default=4000, ge=1, description="About how many live requests `platform-assets run` replays over all live days."
    )
    price_sheet: str = Field(
        default="cloud",
        min_length=1,
        description="Sheet of prices: one that comes along, a file, or that of the `cloud`.",
    )
    object_store: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Endpoint and keys of the object store, as JSON with deltalake's keys: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...",
    )
    simulation: dict[str, Any] = Field(
        default_factory=dict, description="Overrides of simulator settings, as JSON, for smaller or larger worlds."
    )
    secrets: SourceSettings | None = Field(
        default=None,
        description="Where credentials come from, as JSON with `kind`; the environment alone when not set. A variable that is set wins.",
    )
    gitops: GitOpsSettings | None = Field(
        default=None,
        description="The repository that says which release serves, as JSON: promotions come from it, and a rollback is held until a "
        "person lifts it.",
    )

    @field_validator("target")
    @classmethod
    def _known_target(cls, name: str) -> str:
        if name not in TARGETS:
            raise ValueError(f"there is no target {name!r}; there are {', '.join(TARGETS.names)}")
        return name

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingsError: when a value cannot be used, or needs an extra that is not installed; every variable at fault is named.
            SecretError: the source of secrets that it names cannot be used or read.
        """
        environment = with_secrets(environment)
        secrets = environment.get(SECRETS_VARIABLE)

        def value(name: str, default: str) -> str:
            return environment.get(PREFIX + name.upper()) or default

        home = home_folder(environment)
        environment_name = value("environment", PRODUCTION)
        own = environment_home(home, environment_name)
        online_store = json.dumps({"type": "sqlite", "path": str(own / "feast" / "online.db")})
        mlflow = value("mlflow", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
        # A server keeps artifacts where every machine finds them; a folder of this one would hold them back from all others.
        artifacts = "" if mlflow.startswith(("http://", "https://")) else str(home / "mlflow" / "artifacts")
        port = value("port", str(PORTS.get(environment_name, PORTS[PRODUCTION])))
        values: dict[str, Any] = {
            "home": home,
            "lake": value("lake", str(home / "lake")),
            "mlflow": mlflow,
            "mlflow_artifacts": value("mlflow_artifacts", artifacts) or None,
            "feast_registry": value("feast_registry", f"sqlite:///{own / 'feast' / 'registry.db'}"),
            "port": port,
            "metrics_port": value("metrics_port", str(int(port) + 1) if port.isdigit() else port),
            "feast_online_store": _parsed("feast_online_store", value("feast_online_store", online_store), secret=True),
            **{name: value(name, "") or None for name in (*OPTIONAL, "otlp", "openlineage")},
            "backup": _parsed("backup", value("backup", "null"), secret=True),
            "environment": environment_name,
            "target": value("target", "local"),
            "kubernetes": _parsed("kubernetes", value("kubernetes", "null"), secret=True),
            "gitops": _parsed("gitops", value("gitops", "null"), secret=True),
            "callers": value("callers", "") or None,
            "caller_tokens": _tokens(value("caller_tokens", "")),
            "caller_tokens_file": value("caller_tokens_file", "") or None,
            "caller_tls": _parsed("caller_tls", value("caller_tls", "null")),
            "executor": value("executor", "in_process"),
            "automation": value("automation", "on"),
            "simulated_clock": value("simulated_clock", "") or None,
            "log_format": value("log_format", "text"),
            "alertmanager": value("alertmanager", "") or None,
            "alert_receivers": _parsed("alert_receivers", value("alert_receivers", "{}")),
            "scratch": Path(value("scratch", str(home / "scratch"))).absolute(),
            "replayed_requests": value("replayed_requests", "4000"),
            "secrets": _chosen(secrets)[0] if secrets else None,
            "price_sheet": value("price_sheet", "cloud"),
            "object_store": _parsed("object_store", value("object_store", "{}"), secret=True),
            "simulation": _parsed("simulation", value("simulation", "{}")),
        }
        try:
            settings = cls(**values)
        except ValidationError as error:
            problems = [f"{PREFIX}{_place(item['loc'])}: {item['msg']}" for item in error.errors()]
            raise SettingsError(f"settings from the environment are not usable. {'; '.join(problems)}") from error
        return settings._with_its_extras()

    def _with_its_extras(self) -> Self:
        try:
            require_extras(self.needed_extras)
        except ExtraMissing as error:
            raise SettingsError(str(error)) from error
        return self

    @property
    def needed_extras(self) -> tuple[NeededExtra, ...]:
        """Each extra of the distribution that the settings need, with the variable that needs it."""
        values = ((name, start, extra, getattr(self, name)) for name, start, extra in NEEDED_BY_SETTINGS)
        return tuple(
            NeededExtra(extra, PREFIX + name.upper()) for name, start, extra, v in values if v and v.startswith(start)
        )

    @property
    def own_home(self) -> Path:
        """Folder of what the environment has to itself: the home in production, a folder below it elsewhere."""
        return environment_home(self.home, self.environment)

    def prepare(self) -> None:
        """Create the folders that local defaults write to: see `make_home`.

        Raises:
            SettingsError: when the home folder cannot be written.
        """
        try:
            make_home(self.home, self.own_home)
        except OSError as error:
            raise SettingsError(
                f"cannot write to {self.home}: {error.strerror}. Set {PREFIX}HOME to a folder that you may write to."
            ) from error


def misspelt_settings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each variable that is no setting and is called much like one; those of services and tests are others."""
    known = sorted(name.upper() for name in (*Settings.model_fields, "dagster", "secrets"))
    given = sorted(name for name in environment if name.startswith(PREFIX) and not name.startswith(_OTHERS))
    meant = {
        name: nearest(name.removeprefix(PREFIX), known) for name in given if name.removeprefix(PREFIX) not in known
    }
    said = "is no setting, and says nothing; did you mean"
    return [f"{name} {said} {PREFIX}{other}?" for name, other in meant.items() if other is not None]


def source_access() -> Access:
    """Credentials as they stand now, in the environment and in the source of secrets."""
    return Access(variables=with_secrets(), object_store=object_store_options())
