"""KServe: an InferenceService, of the bare model or of our own service in its predictor.

Belongs here: the object, and for our own service the Secret with its settings. Does not belong here: the files (`model_files.py`,
`triton.py`, `bento.py`), translation for the pods of our own target (`deployment/kubernetes`).

A bare model answers features: xgboost's file goes to KServe's runtime for it, ONNX to Triton. Our own service takes events, as
everywhere else, and computes the features itself: it is KServe's custom predictor, asked by the Open Inference Protocol.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platform_assets.deployment.packaging import serve_command, start
from platform_assets.deployment.packaging.run import READY_PATH
from platform_assets.deployment.platforms.base import ModelToPackage, PackageSettings, PlatformPackage, PlatformRefused
from platform_assets.deployment.platforms.bento import copy_bento
from platform_assets.deployment.platforms.model_files import ModelFile, feature_note, format_of, write_model_file
from platform_assets.deployment.platforms.triton import FILE_NAMES, NOT_RUN, write_repository
from serving.settings import ServingSettings

MODELS_FOLDER, LOG_FOLDER, START = "/mnt/models", "/var/log/platform-assets", "/opt/platform-assets/start.py"
"""Where KServe's storage initializer puts the files, where the prediction log's claim is mounted, and the runtime image's first step."""
PORT = 8080
_NOT_RUN = "KServe's controller was not run; its object was read by the types of KServe's own SDK."


class KServe:
    """Packages a model as an InferenceService."""

    def package(self, model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
        """As `Platform.package`."""
        return _service(model, out, settings) if settings.features == "service" else _bare_model(model, out, settings)


def _bare_model(model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
    name = model.use_case.name
    if format_of(model) == "xgboost":
        written: tuple[str, ...] = (f"{name}/{FILE_NAMES['xgboost']}",)
        file = write_model_file(model, out / written[0], "xgboost")
        runtime, model_format, own = "kserve-xgbserver", "xgboost", f"/{name}"
    else:
        file, written = write_repository(model, out)
        runtime, model_format, own = "kserve-tritonserver", "triton", ""
    predictor = {
        "model": {
            "modelFormat": {"name": model_format},
            "protocolVersion": "v2",
            "runtime": runtime,
            "storageUri": settings.storage_uri.rstrip("/") + own,
            "resources": _resources(model),
        }
    }
    notes = (
        f"Copy what lies in files/ to {settings.storage_uri}, then apply the manifest; "
        f"ask POST /v2/models/{_model_name(model, file)}/infer.",
        feature_note(model, file),
        _NOT_RUN,
        *((NOT_RUN.format(runtime=file.runtime),) if file.format == "onnx" else ()),
    )
    manifest = _inference_service(model, settings, predictor)
    return PlatformPackage(written, (manifest,), notes, (file.difference, file.runtime))


def _model_name(model: ModelToPackage, file: ModelFile) -> str:
    """xgboost's runtime calls the model as its object is called, Triton as its folder is."""
    return model.resource_name if file.format == "xgboost" else model.use_case.name


def _service(model: ModelToPackage, out: Path, settings: PackageSettings) -> PlatformPackage:
    """Our own service as the predictor: KServe fetches the Bento, the runtime image runs it."""
    bento, written = copy_bento(model, out)
    serving = _settings_in_a_pod(model, settings)
    command, environment = serve_command(bento, serving, str(PORT), "0.0.0.0")
    inside = {
        str(start.__file__): START,
        str(bento.code_folder): f"{MODELS_FOLDER}/src",
        str(bento.path): MODELS_FOLDER,
    }
    secret = f"{model.resource_name}-service"
    container = {
        "name": "kserve-container",
        "image": settings.image,
        "command": ["python", *(inside.get(word, word) for word in command[1:])],
        "envFrom": [{"secretRef": {"name": secret}}],
        "env": [{"name": "STORAGE_URI", "value": f"{settings.storage_uri.rstrip('/')}/{model.use_case.name}"}],
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": READY_PATH, "port": PORT}, "periodSeconds": 2, "failureThreshold": 3},
        "startupProbe": {"httpGet": {"path": READY_PATH, "port": PORT}, "periodSeconds": 2, "failureThreshold": 60},
        "resources": _resources(model),
        "volumeMounts": [{"name": "predictions", "mountPath": LOG_FOLDER}],
    }
    volume = {"name": "predictions", "persistentVolumeClaim": {"claimName": settings.log_claim}}
    values = {**environment, "PYTHONPATH": f"{MODELS_FOLDER}/src", "BENTOML_HOME": "/tmp/bentoml"}
    manifests = (
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": _metadata(model, settings, secret),
            "type": "Opaque",
            "stringData": dict(sorted(values.items())),
        },
        _inference_service(model, settings, {"containers": [container], "volumes": [volume]}),
    )
    root = f"/v1/{model.use_case.name}"
    notes = (
        f"Copy what lies in files/ to {settings.storage_uri}, then apply the manifests; the Secret holds the addresses of the stores.",
        f"Requests carry events, not features: the service computes them and reads the online store. Ask POST {root}/score, or by the "
        f"Open Inference Protocol POST {root}/v2/models/{model.use_case.name}/infer; only paths below {root}/ answer.",
        f"The prediction log lies in the claim {settings.log_claim}; mount it where the platform reads {model.use_case.name}'s log.",
        _NOT_RUN,
    )
    return PlatformPackage(written, manifests, notes)


def _settings_in_a_pod(model: ModelToPackage, settings: PackageSettings) -> ServingSettings:
    """The service's settings with the places of a pod.

    Raises:
        PlatformRefused: an image or a claim is missing, or a store is a file of this machine.
    """
    name = model.use_case.name
    if not settings.image or not settings.log_claim:
        raise PlatformRefused(
            f"{name}: our own service needs the runtime image (`--image`) and a volume claim for its prediction log (`--log-claim`)"
        )
    if model.settings is None:
        raise PlatformRefused(
            f"{name}: there are no settings of its service; package it from the installation that serves it"
        )
    feast = dict(model.settings.feast)
    if str(feast.get("registry", "")).startswith("sqlite") or feast.get("online_store", {}).get("type") == "sqlite":
        raise PlatformRefused(
            f"{name}: the online store or its registry is a SQLite file of this machine, which no pod can read: set "
            "PLATFORM_ASSETS_FEAST_ONLINE_STORE and PLATFORM_ASSETS_FEAST_REGISTRY to stores on the network, or package with "
            "`--features caller`"
        )
    if "home" in feast:
        feast["home"] = "/tmp"
    return model.settings.model_copy(update={"feast": feast, "log_folder": Path(LOG_FOLDER) / name})


def _inference_service(model: ModelToPackage, settings: PackageSettings, predictor: dict[str, Any]) -> dict[str, Any]:
    replicas = model.use_case.compute_of("service").replicas
    if replicas is not None:
        scaling: dict[str, Any] = {"minReplicas": replicas.least, "maxReplicas": replicas.most}
        scaling |= {"scaleMetric": "concurrency", "scaleTarget": replicas.in_flight}
        predictor = {**predictor, **scaling}
    if settings.canary_percent is not None:
        predictor = {**predictor, "canaryTrafficPercent": settings.canary_percent}
    if settings.service_account:
        predictor = {**predictor, "serviceAccountName": settings.service_account}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": _metadata(model, settings, model.resource_name),
        "spec": {"predictor": predictor},
    }


def _metadata(model: ModelToPackage, settings: PackageSettings, name: str) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/managed-by": "platform-assets",
        "platform-assets/use-case": model.resource_name,
        "platform-assets/version": model.version,
    }
    return {"name": name, "namespace": settings.namespace, "labels": labels}


def _resources(model: ModelToPackage) -> dict[str, Any]:
    compute = model.use_case.compute_of("service")
    memory = f"{round(compute.memory_gigabytes * 1000)}M"
    limits = {"memory": memory} | ({"nvidia.com/gpu": str(compute.gpus)} if compute.gpus else {})
    return {"requests": {"cpu": f"{round(compute.cpus * 1000)}m", "memory": memory}, "limits": limits}


KSERVE = KServe()
