"""A small world of both sides of a change: rows, metrics, checks and cost before and after.

Belongs here: running it in fresh processes, remembering that of a commit, and the section of the comment. Does not belong here: what is run
(`orchestration/sample_run.py`), or which findings it makes (`gates/small_world.py`).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from platform_assets.pipelines.change.git import ChangeError
from platform_assets.pipelines.change.sides import ChangeSide, RepositoryChange, clean_environment
from platform_assets.settings import PREFIX, environment_variables

RUNNER: Final = Path(__file__).parents[2] / "orchestration" / "sample_run.py"
SIMULATION: Final = f"{PREFIX}SIMULATION"
_RUN_SECONDS = 1800.0
_CODE: Final = ("platform_assets/", "serving/")
_DECLARATIONS: Final = "platform_assets/defs/"

Sample = Mapping[str, Any]
"""What came of the small world of a use case."""


def with_samples(change: RepositoryChange) -> RepositoryChange:
    """The change with a small world of each use case that it may touch, both sides at once.

    The scale is that of `PLATFORM_ASSETS_SIMULATION`, else as declared. What came of the side before is remembered below `.platform`.

    Raises:
        ChangeError: a side ended without an answer.
    """
    names = touched_use_cases(change)
    if not names:
        return replace(change, samples={})
    known = [name for name in names if name in change.before.use_cases]
    with ThreadPoolExecutor(max_workers=2) as both:
        before, after = both.submit(_remembered, change, known), both.submit(_run, change.after, names)
        return replace(change, samples={name: (before.result().get(name), after.result()[name]) for name in names})


def touched_use_cases(change: RepositoryChange) -> list[str]:
    """The use cases whose world may be another one: all of them where the platform's own code changed."""
    paths = [item.path for item in change.files]
    if any(path.startswith(_CODE) and not path.startswith(_DECLARATIONS) and path.endswith(".py") for path in paths):
        return list(change.after.use_cases)
    folders = {name: f"{described['folder']}/" for name, described in change.after.use_cases.items()}
    modules = {
        name: {
            f"{item.partition(':')[0].replace('.', '/')}.py"
            for view in described["views"].values()
            for item in view["functions"]
        }
        for name, described in change.after.use_cases.items()
    }
    return [
        name
        for name in change.after.use_cases
        if any(path.startswith(folders[name]) or path in modules[name] for path in paths)
    ]


def _remembered(change: RepositoryChange, names: Sequence[str]) -> Mapping[str, Sample]:
    """The side before, from an earlier run of the same commit where there was one."""
    if not names:
        return {}
    text = json.dumps([change.commit, list(names), _scale(), RUNNER.read_text(encoding="utf-8")])
    file = change.after.root / ".platform" / "change-samples" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
    if file.exists():
        found: Mapping[str, Sample] = json.loads(file.read_text(encoding="utf-8"))
        return found
    found = _run(change.before, names)
    if not any(sample["failed"] for sample in found.values()):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


def _scale() -> str:
    return environment_variables().get(SIMULATION, "")


def _run(side: ChangeSide, names: Sequence[str]) -> Mapping[str, Sample]:
    with tempfile.TemporaryDirectory(prefix="platform-assets-sample-") as scratch:
        output = Path(scratch) / "sample.json"
        environment = clean_environment(side.root, Path(scratch))
        environment.pop("DAGSTER_IS_DEFS_VALIDATION_CLI")
        if _scale():
            environment[SIMULATION] = _scale()
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(RUNNER), str(output), *names],
                cwd=side.root,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_RUN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ChangeError(f"the small world of {side.root} took longer than {_RUN_SECONDS:.0f} s") from error
        if not output.exists():
            raise ChangeError(f"the small world of {side.root} ended without an answer:\n{done.stderr.strip()[-2000:]}")
        answer: Mapping[str, Sample] = json.loads(output.read_text(encoding="utf-8"))
        return answer


def samples_section(samples: Mapping[str, tuple[Sample | None, Sample]]) -> str:
    """The small worlds as a part of the comment: what is otherwise, and what it cost."""
    if not samples:
        return "No small world was run: the change touches none."
    return "\n".join(line for name, (before, after) in samples.items() for line in _of_use_case(name, before, after))


def _of_use_case(name: str, before: Sample | None, after: Sample) -> Iterator[str]:
    days = f" ({after['days'][0]} to {after['days'][1]}, a model as of {after['as_of']})" if "days" in after else ""
    yield from [f"**A small world of {name}**{days}", "", "| | before | after | |", "|---|---|---|---|"]
    equal = 0
    for part in ("rows", "metrics"):
        old: Mapping[str, Any] = (before or {}).get(part, {})
        for thing in dict.fromkeys([*old, *after[part]]):
            values = old.get(thing), after[part].get(thing)
            equal += values[0] == values[1]
            if values[0] != values[1]:
                yield f"| {part}: {thing} | {_shown(values[0])} | {_shown(values[1])} | {_by(*values)} |"
    yield f"| further figures, all the same | {equal} | {equal} | |"
    for step in dict.fromkeys([*(before or {}).get("cpu_seconds", {}), *after["cpu_seconds"]]):
        values = (before or {}).get("cpu_seconds", {}).get(step), after["cpu_seconds"].get(step)
        yield f"| CPU seconds: {step} | {_shown(values[0])} | {_shown(values[1])} | {_by(*values)} |"
    memory = (before or {}).get("memory_megabytes"), after.get("memory_megabytes")
    yield f"| memory, MB | {_shown(memory[0])} | {_shown(memory[1])} | {_by(*memory)} |"
    yield ""


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _by(before: Any, after: Any) -> str:
    if not isinstance(before, int | float) or not isinstance(after, int | float) or not before:
        return ""
    return f"{(after - before) / abs(before):+.1%}"
