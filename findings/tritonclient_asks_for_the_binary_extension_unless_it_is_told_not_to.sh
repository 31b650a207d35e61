#!/usr/bin/env bash
# tritonclient 2.73.0
# The Open Inference Protocol has tensors as JSON, and binary tensors as an extension that a server may leave out. tritonclient's HTTP client uses
# the extension unless each input and each output is told not to: a server that speaks the protocol alone cannot answer a plain call of it.
# Seen: `inputs with binary_data_size, binary_data_output, JSON ends before the body does: (True, True, True) told not to: (False, True, False)`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "tritonclient[http]==2.73.0" "numpy<3"
cat > "$work/check.py" <<'PY'
import json

import numpy as np
import tritonclient.http as client


def sent(**told):
    tensor = client.InferInput("amount", [2, 1], "FP64")
    tensor.set_data_from_numpy(np.array([[1.5], [2.5]]), **told)
    body, json_bytes = client.InferenceServerClient.generate_request_body([tensor])
    request = json.loads(body[:json_bytes] if json_bytes else body)
    sized = "binary_data_size" in request["inputs"][0].get("parameters", {})
    wants = bool(request.get("parameters", {}).get("binary_data_output"))
    return sized, wants, bool(json_bytes)


by_default, told_not_to = sent(), sent(binary_data=False)
print("inputs with binary_data_size, binary_data_output, JSON ends before the body does:", by_default, "told not to:", told_not_to)
assert by_default == (True, True, True)
assert told_not_to == (False, True, False)
PY
"$work/venv/bin/python" "$work/check.py"
