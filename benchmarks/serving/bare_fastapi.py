"""The same model and the same online features behind plain FastAPI: what the platform's service is compared with.

Belongs here: the least that answers the same requests. Does not belong here: what makes a service of it (prediction log, metrics,
health, docs of its own): the comparison is about what those cost.

    python -m benchmarks.serving.bare_fastapi --release BENTO/src/release --port 8711

reads the same environment as the service.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from serving.online import open_named
from serving.release import read_release
from serving.request import example_event, parse_event, request_model
from serving.settings import ServingSettings


def make_app(release_folder: Path, settings: ServingSettings) -> Any:
    """A FastAPI application with `/v1/<use_case>/score` and `/readyz`."""
    from fastapi import FastAPI

    release = read_release(release_folder)
    use_case = release.use_case
    online = open_named(settings.online_features, use_case, settings.feast)
    predictor = release.load_predictor()
    rule = use_case.serving.decision
    model = request_model(use_case)
    recorder = ThreadPoolExecutor(max_workers=1)
    app = FastAPI()

    async def score(event: Any) -> dict[str, Any]:
        row = event.model_dump()
        values = np.asarray(online.vector(row).values, dtype=np.float64)
        result = float(predictor.predict(values.reshape(1, -1))[0])
        recorder.submit(online.record, row)
        decision = None if rule is None else rule.above if result >= rule.threshold else rule.below
        return {"probability": result, "decision": decision, "model_version": release.info.model_version}

    score.__annotations__ = {"event": model}
    app.post(f"/v1/{use_case.name}/score")(score)
    app.get("/readyz")(lambda: {})
    online.warm_up()
    example = parse_event(model, json.dumps(example_event(use_case)).encode())
    for _ in range(30):
        predictor.predict(np.asarray(online.vector(example).values, dtype=np.float64).reshape(1, -1))
    gc.collect()
    gc.freeze()
    return app


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM."""
    import uvicorn

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.bare_fastapi", description="The model behind plain FastAPI."
    )
    parser.add_argument("--release", type=Path, required=True, help="release folder")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    options = parser.parse_args(arguments)
    app = make_app(options.release, ServingSettings.from_environment())
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
