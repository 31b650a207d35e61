#!/usr/bin/env bash
# Makes .venv-airflow and .venv-prefect, for `make export-test`: the orchestrators, without the platform. A second call is quick.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON="${PYTHON:-python3.11}"
for tool in airflow prefect; do
  home=".venv-$tool"
  wanted="$(sha256sum < "deploy/ci/$tool-tools.txt" | cut -d' ' -f1)"
  [ "$(cat "$home/.installed" 2>/dev/null)" = "$wanted" ] && continue
  command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0"; exit 1; }
  echo "Installing deploy/ci/$tool-tools.txt into $home ..."
  test -x "$home/bin/python" || "$PYTHON" -m venv "$home"
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9"
  "$home/bin/uv" pip install --quiet --python "$home/bin/python" -r "deploy/ci/$tool-tools.txt"
  echo "$wanted" > "$home/.installed"
done
