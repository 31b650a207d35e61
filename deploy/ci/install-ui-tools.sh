#!/usr/bin/env bash
# Makes .venv-ui: what opens pages in a browser (deploy/ci/ui-tools.txt). A second call is quick. No browser is downloaded.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON="${PYTHON:-python3.11}"
HOME_OF_TOOLS="${UI_TOOLS:-.venv-ui}"

wanted="$(cat "$0" deploy/ci/ui-tools.txt | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$HOME_OF_TOOLS/.installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0"; exit 1; }

echo "Installing deploy/ci/ui-tools.txt into $HOME_OF_TOOLS ..."
test -x "$HOME_OF_TOOLS/bin/python" || "$PYTHON" -m venv "$HOME_OF_TOOLS"
"$HOME_OF_TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check -r deploy/ci/ui-tools.txt
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
  || echo "no browser is on the PATH (Debian: apt-get install chromium)"
echo "$wanted" > "$HOME_OF_TOOLS/.installed"
