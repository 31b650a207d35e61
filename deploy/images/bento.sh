#!/usr/bin/env bash
# An image for one Bento, by BentoML's own Dockerfile: deploy/images/bento.sh NAME:VERSION [IMAGE]
#
#   BENTOML_HOME=...   where the Bento was built (`platform-assets bento` says it)
#   STAND_IN=1         where no registry is reached: base.sh's image, with pip, stands in for BentoML's base, python:3.11-slim
set -euo pipefail

BENTO=${1:?usage: bento.sh NAME:VERSION [IMAGE]}
IMAGE=${2:-localhost/platform-assets/$BENTO}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BENTOML=$(command -v bentoml || echo "$HERE/../../.venv/bin/bentoml")

if [ -n "${STAND_IN:-}" ]; then
  "$HERE/base.sh"
  container=$(buildah from "localhost/platform-assets/base:${SUITE:-bookworm}")
  buildah run --isolation chroot "$container" -- python3 -m ensurepip >/dev/null 2>&1
  buildah run --isolation chroot "$container" -- ln -sf pip3 /usr/local/bin/pip
  buildah commit --quiet --rm "$container" localhost/python:3.11-slim >/dev/null
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# BentoML installs with pip and uv: both are told what this machine's pip is told, while the build runs.
python3 -m pip config list 2>/dev/null | python3 "$HERE/pip_settings.py" "$scratch/pip.conf" --uv "$scratch/uv.toml" >"$scratch/paths"
# By containers.conf, since BentoML 1.4.39 joins several `--opt volume=` into one.
{
  echo '[containers]' && echo 'volumes = ['
  echo "  \"$scratch/pip.conf:/etc/pip.conf:ro\", \"$scratch/uv.toml:/etc/uv/uv.toml:ro\","
  while read -r path; do echo "  \"$path:$path:ro\","; done <"$scratch/paths"
  echo ']'
} >"$scratch/containers.conf"
export CONTAINERS_CONF=$scratch/containers.conf BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
"$BENTOML" containerize "$BENTO" --backend buildah --image-tag "$IMAGE" --opt network=host
echo "${IMAGE%:*}@$(buildah inspect --type image --format '{{.FromImageDigest}}' "$IMAGE")"
