#!/usr/bin/env bash
# What the platform is made of, and whether the recipes of its images keep the rules: deploy/ci/parts.sh FOLDER
# Writes sbom.cdx.json (CycloneDX, from requirements.lock: the same lock gives the same bytes) and SHA256SUMS. Needs no network but the
# package index. Images that were built get a list of their own, with Debian's packages: deploy/images/sbom.sh.
set -euo pipefail

folder=$(mkdir -p "${1:?folder}" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
deploy/ci/install-ci-tools.sh
tools="${CI_TOOLS:-.venv-ci}/bin"

"$tools/hadolint" --failure-threshold warning deploy/images/*/Containerfile
"$tools/cyclonedx-py" requirements requirements.lock --pyproject pyproject.toml --mc-type application --output-reproducible \
  --of JSON --output-file "$folder/sbom.cdx.json"
found=$(grep -c '"purl"' "$folder/sbom.cdx.json")
[ "$found" -gt 0 ] || { echo "parts.sh: the list is empty" >&2; exit 1; }
cp requirements.lock "$folder/"
(cd "$folder" && sha256sum sbom.cdx.json requirements.lock > SHA256SUMS)
echo "$folder/sbom.cdx.json: $found packages"
