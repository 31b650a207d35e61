#!/usr/bin/env bash
# Makes .venv-site: what builds the documents as a site, and what opens it and the web UI in a browser (deploy/ci/site-tools.txt). A second call is quick.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON="${PYTHON:-python3.11}"
HOME_OF_TOOLS="${SITE_TOOLS:-.venv-site}"

wanted="$(cat "$0" deploy/ci/site-tools.txt | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$HOME_OF_TOOLS/.installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0"; exit 1; }

echo "Installing deploy/ci/site-tools.txt into $HOME_OF_TOOLS ..."
test -x "$HOME_OF_TOOLS/bin/python" || "$PYTHON" -m venv "$HOME_OF_TOOLS"
"$HOME_OF_TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9"
export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
"$HOME_OF_TOOLS/bin/uv" pip install --quiet --python "$HOME_OF_TOOLS/bin/python" -r deploy/ci/site-tools.txt
echo "$wanted" > "$HOME_OF_TOOLS/.installed"
