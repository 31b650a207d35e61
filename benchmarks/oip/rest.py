"""The protocol over REST: each check is a sentence of its OpenAPI document or of its text.

Belongs here: what a server has to answer. Does not belong here: how a check is counted (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from benchmarks.oip.checks import Checks, need
from benchmarks.oip.model import DATATYPES, flat, is_of, made_request, nested, repeated, size_of

Json = dict[str, Any]
UNKNOWN = "no_such_model_anywhere"


class Rest:
    """The checks of one server and one model."""

    def __init__(self, url: str, model: str, request: Mapping[str, Any] | None) -> None:
        self.client = httpx.Client(base_url=url.rstrip("/"), timeout=30.0, trust_env=False, follow_redirects=True)
        self.model = model
        self.path = f"/v2/models/{model}"
        self.checks = Checks("REST")
        self.metadata: Json = {}
        self.version: str | None = None
        self.request: Json = dict(request or {})
        self.answer: Json = {}

    def run(self) -> Checks:
        """Every check, in an order in which later ones use what earlier ones learnt."""
        self._server()
        self._model()
        self.request = self.request or made_request(self.metadata)
        self._inference()
        self._errors()
        self.client.close()
        return self.checks

    def _get(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(path)
        need(answer.status_code == status, f"{path} answers {answer.status_code}")
        return answer.json() if answer.content else {}

    def _server(self) -> None:
        check = self.checks.check
        for path, word in (("/v2/health/live", "live"), ("/v2/health/ready", "ready")):
            with check(f"GET {path} answers 200"):
                self._get(path)
            with check(f"GET {path} answers a JSON object with a truth value, or nothing"):
                said = self._get(path)
                need(said == {} or any(value is True for value in said.values()), f"answers {said}, not {word}")
        for path in ("/v2", "/v2/"):
            with check(f"GET {path} answers 200"):
                self._get(path)
        for name, kind in (("name", str), ("version", str), ("extensions", list)):
            with check(f"server metadata: `{name}` is there, a {kind.__name__}"):
                need(isinstance(self._get("/v2").get(name), kind), "it is not")
        with check("server metadata: `extensions` are texts"):
            need(all(isinstance(item, str) for item in self._get("/v2")["extensions"]), "they are not")

    def _model(self) -> None:
        check = self.checks.check
        with check("GET model metadata answers 200"):
            self.metadata = self._get(self.path)
        said = self.metadata
        self.version = next(iter(said.get("versions") or []), None)
        with check("model metadata: `name` is the model's"):
            need(said["name"] == self.model, f"is {said['name']!r}")
        with check("model metadata: `platform` is a text"):
            need(isinstance(said["platform"], str), "it is not")
        with check("model metadata: `versions` are texts, where they are given"):
            need(all(isinstance(version, str) for version in said.get("versions") or []), "they are not")
        for side in ("inputs", "outputs"):
            with check(f"model metadata: `{side}` is a list of tensors"):
                need(isinstance(said[side], list) and said[side], "it is not, or empty")
            with check(f"model metadata: every one of `{side}` has a name, of its own"):
                names = [tensor["name"] for tensor in said[side]]
                need(names and len(set(names)) == len(names), f"names are {names}")
            with check(f"model metadata: every one of `{side}` has a datatype of the protocol"):
                others = [tensor["datatype"] for tensor in said[side] if tensor["datatype"] not in DATATYPES]
                need(said[side] and not others, f"others are {others}")
            with check(f"model metadata: every one of `{side}` has a shape of whole numbers, -1 where it is open"):
                shapes = [tensor["shape"] for tensor in said[side]]
                good = all(type(size) is int and size >= -1 for shape in shapes for size in shape)
                need(shapes and good, f"shapes are {shapes}")
        with check("GET model ready answers 200"):
            self._get(f"{self.path}/ready")
        with check("model ready: says the model's name and that it is ready, or nothing"):
            ready = self._get(f"{self.path}/ready")
            need(ready == {} or (ready.get("name") == self.model and ready.get("ready") is True), f"says {ready}")

    def _infer(self, body: Any, path: str | None = None) -> Json:
        answer = self.client.post(path or f"{self.path}/infer", json=body)
        need(answer.status_code == 200, f"answers {answer.status_code}: {answer.text[:150]}")
        said: Json = answer.json()
        return said

    def _inference(self) -> None:
        check = self.checks.check
        with check("POST infer answers 200 with JSON"):
            self.answer = self._infer({**self.request, "id": "42"})
        said = self.answer
        outputs = {output["name"]: output for output in said.get("outputs") or []}
        known = {tensor["name"]: tensor for tensor in self.metadata.get("outputs") or []}
        with check("infer: `model_name` is the model's"):
            need(said["model_name"] == self.model, f"is {said['model_name']!r}")
        with check("infer: `model_version` is one of the metadata's, where it is given"):
            given = said.get("model_version")
            need(said and (given is None or given in (self.metadata.get("versions") or [given])), f"is {given!r}")
        with check("infer: `id` is the request's"):
            need(said["id"] == "42", f"is {said.get('id')!r}")
        with check("infer: `outputs` are there, of different names"):
            need(outputs and len(outputs) == len(said["outputs"]), f"outputs {list(outputs)}")
        with check("infer: without `outputs` in the request all of the metadata's are returned"):
            need(known and set(outputs) == set(known), f"{sorted(outputs)} in place of {sorted(known)}")
        with check("infer: every output has the datatype of the metadata"):
            others = [name for name, one in outputs.items() if one["datatype"] != known[name]["datatype"]]
            need(outputs and not others, f"others: {others}")
        with check("infer: every output has as many values as its shape says"):
            others = [name for name, one in outputs.items() if len(flat(one["data"])) != size_of(one["shape"])]
            need(outputs and not others, f"others: {others}")
        with check("infer: every output's shape fits the metadata's"):
            for name, one in outputs.items():
                pairs = list(zip(known[name]["shape"], one["shape"], strict=True))
                need(all(size in (-1, got) for size, got in pairs), f"{name} has shape {one['shape']}")
            need(outputs, "no outputs")
        with check("infer: values are of their datatype"):
            wrong = [n for n, o in outputs.items() if not all(is_of(o["datatype"], v) for v in flat(o["data"]))]
            need(outputs and not wrong, f"others: {wrong}")
        self._versions()
        self._variants(outputs)

    def _versions(self) -> None:
        """Versions are optional: they are checked where the metadata or an answer names one."""
        check = self.checks.check
        version = self.version or self.answer.get("model_version")
        if not version:
            return
        for what, rest in (("metadata", ""), ("ready", "/ready")):
            with check(f"GET model {what} of a version by name answers 200"):
                self._get(f"{self.path}/versions/{version}{rest}")
        with check("infer: of a version by name answers 200"):
            self._infer(self.request, f"{self.path}/versions/{version}/infer")

    def _variants(self, outputs: Mapping[str, Json]) -> None:
        check = self.checks.check
        with check("infer: a request without `id` is answered"):
            self._infer(self.request)
        with check("infer: an output that is asked for is returned, and no other one"):
            first = next(iter(outputs))
            got = self._infer({**self.request, "outputs": [{"name": first}]})["outputs"]
            need([output["name"] for output in got] == [first], f"returns {[output['name'] for output in got]}")
        with check("infer: data may be nested as its shape is"):
            inputs = [{**one, "data": nested(flat(one["data"]), one["shape"])} for one in self.request["inputs"]]
            self._infer({**self.request, "inputs": inputs})
        with check("infer: two rows get two answers"):
            got = self._infer(repeated(self.request, 2))["outputs"]
            need(all(one["shape"][0] == 2 * outputs[one["name"]]["shape"][0] for one in got), "they do not")
        with check("infer: unknown `parameters` of the request are no error"):
            self._infer({**self.request, "parameters": {"anything": "text", "number": 7, "truth": True}})
        with check("infer: unknown `parameters` of an input are no error"):
            inputs = [{**one, "parameters": {"anything": "text"}} for one in self.request["inputs"]]
            self._infer({**self.request, "inputs": inputs})
        with check("infer: the inputs may come in any order"):
            self._infer({**self.request, "inputs": self.request["inputs"][::-1]})

    def _errors(self) -> None:
        first = self.request["inputs"][0] if self.request.get("inputs") else {}
        others = self.request.get("inputs", [])[1:]
        wrong_type = {**first, "datatype": "COMPLEX64"}
        too_few = {**first, "shape": [7, *first.get("shape", [])[1:]]}
        infer = f"{self.path}/infer"
        bodies: dict[str, Callable[[], httpx.Response]] = {
            "infer: a body that is not JSON": lambda: self.client.post(
                infer, content=b"{", headers={"content-type": "application/json"}
            ),
            "infer: a body that is no object": lambda: self.client.post(infer, json=[1]),
            "infer: a request without `inputs`": lambda: self.client.post(infer, json={"id": "1"}),
            "infer: an input without a name": lambda: self.client.post(
                infer, json={"inputs": [{key: value for key, value in first.items() if key != "name"}, *others]}
            ),
            "infer: an input without a shape": lambda: self.client.post(
                infer, json={"inputs": [{key: value for key, value in first.items() if key != "shape"}, *others]}
            ),
            "infer: an input without data": lambda: self.client.post(
                infer, json={"inputs": [{key: value for key, value in first.items() if key != "data"}, *others]}
            ),
            "infer: a datatype that is none of the protocol's": lambda: self.client.post(
                infer, json={"inputs": [wrong_type, *others]}
            ),
            "infer: more values in the shape than in the data": lambda: self.client.post(
                infer, json={"inputs": [too_few, *others]}
            ),
            "infer: an input that the model does not have": lambda: self.client.post(
                infer, json={"inputs": [{**first, "name": "no_such_input"}, *others]}
            ),
            "infer: an output that the model does not have": lambda: self.client.post(
                infer, json={**self.request, "outputs": [{"name": "no_such_output"}]}
            ),
            "infer of an unknown model": lambda: self.client.post(f"/v2/models/{UNKNOWN}/infer", json=self.request),
            "infer of an unknown version": lambda: self.client.post(
                f"{self.path}/versions/no-such-version/infer", json=self.request
            ),
            "metadata of an unknown model": lambda: self.client.get(f"/v2/models/{UNKNOWN}"),
            "metadata of an unknown version": lambda: self.client.get(f"{self.path}/versions/no-such-version"),
        }
        for what, send in bodies.items():
            with self.checks.check(f"{what} is refused with 4xx"):
                status = send().status_code
                need(400 <= status < 500, f"answers {status}")
            with self.checks.check(f"{what}: the body is an object whose `error` is a text"):
                answer = send()
                need(answer.status_code >= 400, f"answers {answer.status_code}")
                error = answer.json().get("error")
                need(isinstance(error, str) and error, f"`error` is {error!r}: {answer.text[:80]}")
        with self.checks.check("ready of an unknown model is refused with 4xx"):
            status = self.client.get(f"/v2/models/{UNKNOWN}/ready").status_code
            need(400 <= status < 500, f"answers {status}")
        with self.checks.check("GET infer is refused with 4xx"):
            need(400 <= self.client.get(infer).status_code < 500, "it is not")
        with self.checks.check("after all these errors the model answers as before"):
            again = self._infer({**self.request, "id": "42"})
            need([one["data"] for one in again["outputs"]] and again["model_name"] == self.model, "it does not")
