#!/usr/bin/env bash
# dagster 1.13.27
# A run made with `JobDefinition.execute_in_process(instance=...)` is recorded in the instance, but without a remote job origin and without a
# tag of a repository, by which pages of a code location find their runs; and the function has no argument for an origin.
# Seen: `runs 1, origin None, tags of a repository [], arguments for an origin []`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "dagster==1.13.27"
cat > "$work/check.py" <<'PY'
import inspect

import dagster as dg
from dagster import DagsterInstance


@dg.op
def one():
    return 1


@dg.job
def count():
    one()


with DagsterInstance.ephemeral() as instance:
    result = count.execute_in_process(instance=instance)
    assert result.success
    (run,) = instance.get_runs()
    origin = run.remote_job_origin
    repository_tags = [name for name in run.tags if "repository" in name]
    arguments = [name for name in inspect.signature(dg.JobDefinition.execute_in_process).parameters if "origin" in name]
    print(
        f"dagster {dg.__version__}: runs 1, origin {origin}, tags of a repository {repository_tags}, arguments for an origin {arguments}"
    )
    assert origin is None and not repository_tags and not arguments, "it has an origin now: this finding is over"
PY
"$work/venv/bin/python" "$work/check.py"
