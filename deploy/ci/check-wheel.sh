#!/usr/bin/env bash
# Install a built wheel where no checkout is, and use it: deploy/ci/check-wheel.sh [dist]
#
# The core alone, in an environment and a folder of its own below a temporary one: it says what it is, loads the use case that needs no
# extra and takes it to the end, refuses the other one by the name of what is missing, and writes a declaration from somebody's file.
set -euo pipefail
DIST="$(realpath "${1:-dist}")"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHON="${PYTHON:-python3.11}"
wheels=("$DIST"/platform_assets-*.whl)
[ -f "${wheels[0]}" ] || { echo "check-wheel.sh: there is no wheel in $DIST: make release" >&2; exit 1; }

export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9"
"$work/venv/bin/uv" pip install --quiet --python "$work/venv/bin/python" --constraint "$HERE/../../requirements.lock" "${wheels[0]}"
cd "$work"
mkdir -p project/dagster && cd project
export PATH="$work/venv/bin:$PATH" PLATFORM_ASSETS_HOME="$work/project/home" DAGSTER_HOME="$work/project/dagster"
unset PYTHONPATH

step() { echo "  $*" >&2; }
step "definitions load, and what lacks an extra is named"
python - >loaded.txt 2>&1 <<'PY'
from platform_assets.definitions import defs

print(sorted({key.path[0] for key in defs().resolve_asset_graph().get_all_asset_keys()}))
PY
grep -q "\['bike_demand'\]" loaded.txt || { cat loaded.txt >&2; exit 1; }
grep -q "card_fraud cannot be loaded and is left out: .*pip install 'platform-assets\[torch,serving\]'" loaded.txt || { cat loaded.txt >&2; exit 1; }

step "a use case that needs no extra goes from its sources to its predictions"
platform-assets run bike_demand >run.txt 2>&1 || { tail -30 run.txt >&2; exit 1; }
platform-assets versions bike_demand >versions.txt 2>&1 || { tail -30 versions.txt >&2; exit 1; }
grep -q "features/" versions.txt || { cat versions.txt >&2; exit 1; }

step "one that needs some is refused by their names"
if platform-assets run card_fraud >refused.txt 2>&1; then echo "check-wheel.sh: card_fraud ran without its extras" >&2; exit 1; fi
grep -q "error: card_fraud: .*pip install 'platform-assets\[torch,serving\]'" refused.txt || { tail -30 refused.txt >&2; exit 1; }

step "a first declaration from somebody's file"
python -c "
print('order_id,ordered_at,country,amount,returned')
for i in range(400): print(f'{i},2026-0{1 + i % 3}-{1 + i % 28:02d}T10:00:00,{\"DE\" if i % 3 else \"AT\"},{20 + i % 7}.5,{int(i % 5 == 0)}')
" >orders.csv
platform-assets init shop_returns --from orders.csv --label returned >init.txt 2>&1 || { tail -30 init.txt >&2; exit 1; }
grep -q "wrote .*shop_returns/defs.yaml" init.txt || { cat init.txt >&2; exit 1; }
echo "the wheel installs, loads, runs and refuses as it should: $(du -sm "$work/venv" | cut -f1) MB"
