#!/usr/bin/env bash
# What a change has to keep before it is merged, the same on every runner: deploy/ci/asset-checks.sh BASE OUTPUT [TESTS...]
#   BASE    branch, tag or commit that the change is to go to
#   OUTPUT  folder for comment.md, change.json and what each step printed
#   TESTS   files or folders of tests to run
# Every step runs, whatever an earlier one found; the exit code is 1 when one was red. Tools come from .venv/bin where there is one.
set -uo pipefail

[ $# -ge 2 ] || { echo "usage: $0 BASE OUTPUT [TESTS...]" >&2; exit 2; }
base=$1 output=$2
shift 2
[ -d .venv/bin ] && PATH="$PWD/.venv/bin:$PATH"
# The change's own code, wherever the platform is installed.
export PATH DAGSTER_HOME="${DAGSTER_HOME:-$PWD}" PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$output"
red=0
steps="$output/steps.md"
printf '| | step | seconds |\n|---|---|---|\n' > "$steps"

step() { # NAME COMMAND...: run it, keep what it prints, note how it ended
  local name=$1 started=$SECONDS sign=✅
  shift
  "$@" > "$output/$name.txt" 2>&1 || { sign=❌; red=1; }
  printf '| %s | %s | %s |\n' "$sign" "$name" "$((SECONDS - started))" >> "$steps"
  echo "$sign $name ($((SECONDS - started)) s)"
  [ "$sign" = ✅ ] || tail -n 60 "$output/$name.txt"
}

gates() { platform-assets change check --base "$base" --comment "$output/comment.md" --json > "$output/change.json"; }

step definitions dg check defs
step gates gates
[ $# -eq 0 ] || step tests python -m pytest -q -p no:cacheprovider "$@"

[ -s "$output/comment.md" ] || {
  # The first line is how deploy/ci/post_comment.py finds the comment of an earlier push.
  printf '<!-- platform-assets change -->\n### ❌ the change could not be looked at\n\n```\n%s\n```\n' \
    "$(tail -n 20 "$output/gates.txt" "$output/change.json" 2>/dev/null)" > "$output/comment.md"
}
{ echo; cat "$steps"; } >> "$output/comment.md"
cat "$output/comment.md"
exit "$red"
