#!/usr/bin/env bash
# Build an image with buildah: deploy/images/build.sh serving|platform
#
#   BASE=registry.example/python@sha256:...   base image, by digest; default: what base.sh makes on this machine
#   PREFIX=registry.example/platform-assets    what the image's name begins with; default: localhost/platform-assets
#   TAG=...                                    default: the commit
#   WITH_TORCH=1                               platform only: with torch, to train networks (a service never needs it)
#   OUT=folder                                 where the digest and the SBOM go; default: .platform/images
#   SBOM=0                                     without a list of contents
#
# Prints the image's name with its digest. Nothing is pushed: `buildah push` or `skopeo copy` does that.
set -euo pipefail

KIND=${1:-}
case $KIND in serving | platform) ;; *) echo "usage: build.sh serving|platform" >&2; exit 2 ;; esac
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
cd "$ROOT"
PREFIX=${PREFIX:-localhost/platform-assets}
REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' platform_assets/__init__.py)
TAG=${TAG:-$VERSION-${REVISION:0:12}}
OUT=${OUT:-$ROOT/.platform/images}
NAME=$PREFIX/$KIND:$TAG
mkdir -p "$OUT"
command -v buildah >/dev/null || { echo "build.sh: buildah is not installed: apt-get install buildah" >&2; exit 1; }

if [ -z "${BASE:-}" ]; then
  "$HERE/base.sh"
  BASE=localhost/platform-assets/base:${SUITE:-bookworm}
  BASE_DIGEST=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$BASE")
else
  case $BASE in
  *@sha256:*) BASE_DIGEST=${BASE##*@} ;;
  *) echo "build.sh: BASE=$BASE is a name that may mean another image tomorrow: give its digest, NAME@sha256:..." >&2; exit 1 ;;
  esac
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# What this machine's pip is told (indices, certificates, constraints) holds inside of the build too, and only while it runs: the settings are
# a secret of the build, and the folders that they name are mounted.
volumes=()
python3 -m pip config list 2>/dev/null | python3 "$HERE/pip_settings.py" "$scratch/pip.conf" >"$scratch/paths"
while read -r path; do volumes+=(--volume "$path:$path:ro"); done <"$scratch/paths"

arguments=(--build-arg "BASE=$BASE")
if [ "$KIND" = platform ]; then arguments+=(--build-arg "WITH_TORCH=${WITH_TORCH:-0}"); fi
buildah bud --isolation "${BUILDAH_ISOLATION:-chroot}" --network host --format oci --layers --quiet \
  --secret "id=pip,src=$scratch/pip.conf" "${volumes[@]}" "${arguments[@]}" \
  --label org.opencontainers.image.title="Platform Assets, $KIND" \
  --label org.opencontainers.image.version="$VERSION" \
  --label org.opencontainers.image.revision="$REVISION" \
  --label org.opencontainers.image.base.name="$BASE" \
  --label org.opencontainers.image.base.digest="$BASE_DIGEST" \
  --ignorefile "$HERE/containerignore" \
  --file "$HERE/$KIND/Containerfile" --tag "$NAME" "$ROOT" >"$scratch/id"
DIGEST=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$NAME")
if [ "${SBOM:-1}" != 0 ]; then "$HERE/sbom.sh" "$NAME" "$OUT/$KIND.cdx.json"; fi
echo "${NAME%:*}@$DIGEST" | tee "$OUT/$KIND.image"
