#!/usr/bin/env bash
# Build a release from this commit: deploy/ci/release.sh
#
#   OUT=folder                  where the files go; default: dist
#   TAG=v1.2.0                  what is released: it has to be the version; without, a rehearsal that nothing stops
#   RELEASE_SIGNING_KEY=file    PEM of a private ed25519 key that signs the provenance; without, the provenance is not signed
#   RELEASE_SOURCE=url, RELEASE_BUILDER=url    where the commit comes from and what builds it, for the provenance
#   WITH_IMAGES=1               the images too, with buildah (deploy/images/build.sh); their digests and SBOMs go to OUT
#
# Wheel, sdist, chart, documents, SBOM, provenance, SHA256SUMS. The same commit gives the same bytes, wherever and whenever it is built with the
# same Python. A tree with changes is refused: what is released can be found again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PYTHON="${PYTHON:-python3.11}"
OUT="${OUT:-dist}"
TOOLS=.venv-release
command -v "$PYTHON" >/dev/null || { echo "release.sh: $PYTHON is not on the PATH: install Python 3.11, or name it: PYTHON=/path/to/python $0" >&2; exit 1; }

changed="$(git status --porcelain)"
[ -z "$changed" ] || { echo "release.sh: the tree has changes, which no commit has:" >&2; echo "$changed" >&2; exit 1; }
"$PYTHON" deploy/ci/changelog.py check ${TAG:+--tag "$TAG"}

wanted="$(sha256sum deploy/ci/release-tools.txt | cut -d' ' -f1)"
if [ "$(cat "$TOOLS/.installed" 2>/dev/null)" != "$wanted" ]; then
  echo "Installing deploy/ci/release-tools.txt into $TOOLS ..." >&2
  rm -rf "$TOOLS"
  "$PYTHON" -m venv "$TOOLS"
  "$TOOLS/bin/python" -m pip install --quiet --disable-pip-version-check -r deploy/ci/release-tools.txt
  echo "$wanted" >"$TOOLS/.installed"
fi

SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)"
export SOURCE_DATE_EPOCH
version="$("$TOOLS/bin/python" deploy/ci/release_files.py version)"
rm -rf "$OUT"
mkdir -p "$OUT"
umask 022
"$TOOLS/bin/python" -m build --no-isolation --outdir "$OUT" . >"$OUT/build.log" 2>&1 || { cat "$OUT/build.log" >&2; exit 1; }
rm "$OUT/build.log"
"$TOOLS/bin/python" deploy/ci/release_files.py chart "$OUT" >&2
"$TOOLS/bin/python" deploy/ci/release_files.py docs "$OUT" >&2
# What an installation with every extra has, by the lock; the tools of the tests are no part of it.
"$TOOLS/bin/python" deploy/ci/locked.py all | "$TOOLS/bin/cyclonedx-py" requirements --pyproject pyproject.toml --mc-type library \
  --output-reproducible --of JSON --output-file "$OUT/platform_assets-$version.cdx.json" -
if [ "${WITH_IMAGES:-0}" = 1 ]; then
  for kind in serving platform; do TAG="$version" OUT="$(realpath "$OUT")" WITH_TORCH=1 deploy/images/build.sh "$kind" >&2; done
fi
"$TOOLS/bin/python" deploy/ci/changelog.py notes >"$OUT/NOTES.md"
"$TOOLS/bin/python" deploy/ci/release_files.py provenance "$OUT" >&2
"$TOOLS/bin/python" deploy/ci/release_files.py sums "$OUT" >&2
(cd "$OUT" && sha256sum --check --quiet SHA256SUMS && stat --format='%s %n' -- *)
