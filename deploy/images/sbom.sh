#!/usr/bin/env bash
# List what is in an image, as CycloneDX: deploy/images/sbom.sh IMAGE FILE
# With syft: on the PATH, or in .venv-k8s (deploy/ci/install-k8s-tools.sh).
set -euo pipefail

IMAGE=${1:?image} FILE=${2:?file}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
syft=$(command -v syft || echo "$ROOT/.venv-k8s/bin/syft")
[ -x "$syft" ] || { echo "sbom.sh: syft is not installed: deploy/ci/install-k8s-tools.sh installs it; SBOM=0 builds without" >&2; exit 1; }

container=$(buildah from "$IMAGE")
trap 'buildah umount "$container" >/dev/null; buildah rm "$container" >/dev/null' EXIT
mounted=$(buildah mount "$container")
# A mounted image is read like an image: Debian's packages too, which syft leaves out of a plain folder.
SYFT_CHECK_FOR_APP_UPDATE=false "$syft" scan --quiet "dir:$mounted" --override-default-catalogers image \
  --source-name "${IMAGE%:*}" --source-version "${IMAGE##*:}" --output "cyclonedx-json=$FILE"
found=$(grep -o '"purl"' "$FILE" | wc -l)
[ "$found" -gt 0 ] || { echo "sbom.sh: nothing was found in $IMAGE" >&2; exit 1; }
echo "$FILE: $found packages" >&2
