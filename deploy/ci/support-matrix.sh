#!/usr/bin/env bash
# Try the rows of deploy/ci/support-matrix.txt: deploy/ci/support-matrix.sh [PYTHON DAGSTER]
#
#   TESTS="..."      what is run; default: the unit and graph tests
#   WORKERS=2        processes of pytest
#
# An environment below .venv-support for each row, with every extra and the tools of the tests at the lock's versions; of a row with another patch of
# Dagster its whole family is taken at that patch. What came of a row is written to deploy/ci/support.json, and docs/reference/support.md is made
# from it. Exit code 1 when a row has a red test or cannot be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
read -ra tests <<<"${TESTS:-platform_assets_tests/unit platform_assets_tests/graph}"
if [ $# -eq 2 ]; then rows="$1 $2"; else rows="$(grep -v '^#' deploy/ci/support-matrix.txt)"; fi

outcome=0
while read -r python dagster; do
  home=".venv-support/$python-$dagster"
  echo "Python $python with Dagster $dagster in $home" >&2
  if ! "python$python" --version >/dev/null 2>&1; then
    echo "  python$python is not on the PATH: not tried" >&2
    outcome=1
    continue
  fi
  mkdir -p "$home"
  python3.11 deploy/ci/support_matrix.py requirements "$dagster" "$home" # requirements.txt and overrides.txt
  if ! test -x "$home/venv/bin/uv"; then
    rm -rf "$home/venv"
    "python$python" -m venv "$home/venv"
    "$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9"
  fi
  if ! { "$home/venv/bin/uv" pip install --quiet --python "$home/venv/bin/python" -r "$home/requirements.txt" --override "$home/overrides.txt" \
    && "$home/venv/bin/uv" pip install --quiet --python "$home/venv/bin/python" --no-deps --editable .; }; then
    python3.11 deploy/ci/support_matrix.py record "$python" "$dagster" "$home" --failed "cannot be installed"
    outcome=1
    continue
  fi
  rm -f "$home/junit.xml"
  PATH="$PWD/$home/venv/bin:$PATH" "$home/venv/bin/python" -m pytest -q -n "${WORKERS:-2}" --dist loadfile -p no:cacheprovider \
    -m "not kubernetes and not daemon" --junitxml "$home/junit.xml" "${tests[@]}" >"$home/pytest.txt" 2>&1 || { outcome=1; tail -40 "$home/pytest.txt" >&2; }
  python3.11 deploy/ci/support_matrix.py record "$python" "$dagster" "$home" --tests "${tests[*]}"
done <<<"$rows"
python3.11 deploy/ci/support_matrix.py page
exit "$outcome"
