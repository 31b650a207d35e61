"""Score rows with MLServer, as Seldon Core runs it, over the Open Inference Protocol; run in `.venv-k8s/mlserver`.

Belongs here: loading a folder by its own settings file, and asking. Does not belong here: anything of ours, which this environment does
not have.

    python score_with_mlserver.py FOLDER ROWS.json OUTPUT     prints the values of the output, row by row, as JSON
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mlserver import ModelSettings
from mlserver.codecs import NumpyCodec
from mlserver.registry import MultiModelRegistry
from mlserver.types import InferenceRequest, RequestInput, RequestOutput


async def scored(folder: Path, rows: list[list[float | None]], output: str) -> Any:
    """What the model in the folder answers."""
    settings = ModelSettings.parse_file(str(folder / "model-settings.json"))
    registry = MultiModelRegistry()
    model = await registry.load(settings)
    flat = [float("nan") if value is None else value for row in rows for value in row]
    given = RequestInput(name="features", shape=[len(rows), len(rows[0])], datatype="FP32", data=flat)
    answer = await model.predict(InferenceRequest(inputs=[given], outputs=[RequestOutput(name=output)]))
    return NumpyCodec.decode_output(answer.outputs[0]).tolist()


if __name__ == "__main__":
    place, rows_file, wanted = sys.argv[1:]
    values = asyncio.run(scored(Path(place), json.loads(Path(rows_file).read_text()), wanted))
    sys.stdout.write(json.dumps(values))
