#!/usr/bin/env bash
# dagster 1.13.27, dagster-graphql 1.13.27
# A run made with `JobDefinition.execute_in_process(instance=...)` is recorded in the instance, but without a remote job origin: no
# tag of a repository, and nothing by which a page that asks for the runs of a code location can find it. `runs` without a filter lists
# it; `runs` filtered by the repository's tag, as the pages of jobs and of the timeline ask, does not. There is no argument for an origin.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "dagster==1.13.27" "dagster-graphql==1.13.27"
cat > "$work/check.py" <<'PY'
import dagster as dg
from dagster import DagsterInstance, RunsFilter


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
    origin = getattr(run, "remote_job_origin", None)
    repository_tags = [name for name in run.tags if "repository" in name]
    found = instance.get_runs(RunsFilter(job_name="count", tags={".dagster/repository": "__repository__@here"}))
    print(f"dagster {dg.__version__}: runs {len(instance.get_runs())}, origin {origin}, tags of a repository {repository_tags}, "
          f"found by repository {len(found)}")
    assert origin is None and not repository_tags and not found, "it has an origin now: this finding is over"
PY
"$work/venv/bin/python" "$work/check.py"
