"""Read an InferenceService by the types of KServe's SDK, which know every field; run in `.venv-k8s/kserve`.

Belongs here: that reading, with every field that no type has as an error. Does not belong here: anything of ours, which this environment
does not have.

    python read_inference_service.py MANIFEST.json     prints one line for each problem; exit code 1 where there is one
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import kserve
from kubernetes import client

PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool}


def problems(value: Any, type_name: str, path: str) -> Iterator[str]:
    """What is wrong with a value that should be of an OpenAPI type."""
    listed = re.fullmatch(r"[Ll]ist\[(.*)\]", type_name)
    mapped = re.fullmatch(r"[Dd]ict[(\[]str, (.*)[)\]]", type_name)
    if listed:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for index, item in enumerate(value):
            yield from problems(item, listed[1], f"{path}[{index}]")
    elif mapped:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no mapping"
            return
        for key, item in value.items():
            yield from problems(item, mapped[1], f"{path}.{key}")
    elif type_name in PLAIN:
        if not isinstance(value, PLAIN[type_name]) or (type_name != "bool" and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {type_name}"
    elif type_name in ("object", "datetime"):
        return
    elif type_name in ("ResourceQuantity", "K8sIoApimachineryPkgApiResourceQuantity"):
        if not re.fullmatch(r"[0-9.]+(m|[kMGTPE]i?)?", str(value)):
            yield f"{path}: {value!r} is no quantity"
    else:
        yield from _fields(value, type_name, path)


def _fields(value: Any, type_name: str, path: str) -> Iterator[str]:
    model = getattr(kserve, type_name, None) or getattr(client, type_name, None)
    if type_name == "IntOrString":
        return
    if model is None:
        yield f"{path}: this version of the SDK has no type {type_name}"
        return
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no {type_name}"
        return
    names = {written: name for name, written in model.attribute_map.items()}
    for written, item in value.items():
        if written not in names:
            yield f"{path}.{written}: {type_name} has no such field"
        else:
            yield from problems(item, model.openapi_types[names[written]], f"{path}.{written}")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(problems(json.load(file), "V1beta1InferenceService", "InferenceService"))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(1 if found else 0)
