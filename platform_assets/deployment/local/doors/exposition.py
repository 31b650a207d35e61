"""Metrics of several processes as one page: pure functions on Prometheus' text format.

Belongs here: labels that tell processes apart, and one family standing together. Does not belong here: asking processes (`pages.py`).

Series are not added up: whoever scrapes the page can (`sum by (use_case)`), as over the targets of any service with several replicas.
That counters go on after a restart is the work of each process (`serving/kept_counts.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UP = "platform_assets_process_up"
UP_HELP = "1 where the process answered with its metrics, 0 where it did not."
_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S.*)$")


@dataclass(frozen=True)
class Exposed:
    """What one process exposes.

    Attributes:
        labels: what tells it from the others.
        text: its metrics; None where it did not answer.
    """

    labels: Mapping[str, str]
    text: str | None


@dataclass
class _Family:
    head: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


def merged(processes: Sequence[Exposed]) -> str:
    """One page of all processes' metrics, each series with the labels of its process; families in the order of their first appearance."""
    families: dict[str, _Family] = {}
    for process in processes:
        if process.text is not None:
            _read(process.text.splitlines(), process.labels, families)
    up = _Family([f"# HELP {UP} {UP_HELP}", f"# TYPE {UP} gauge"])
    up.samples = [f"{UP}{{{_label_text(process.labels)}}} {int(process.text is not None)}" for process in processes]
    families[UP] = up
    return "\n".join(line for family in families.values() for line in (*family.head, *family.samples)) + "\n"


def _read(lines: Iterable[str], labels: Mapping[str, str], families: dict[str, _Family]) -> None:
    own_labels = {name: _label_text({name: value}) for name, value in labels.items()}
    name = ""
    for line in lines:
        if line.startswith(("# HELP ", "# TYPE ")):
            name = line.split(" ", 3)[2]
            family = families.setdefault(name, _Family())
            kind = line[:7]
            if not any(known.startswith(kind) for known in family.head):
                family.head.append(line)
        elif found := _SAMPLE.match(line):
            own = found.group(1)
            # A sample without a head of its own is a family of one; those of a histogram have its name in front.
            family = families.setdefault(name if name and own.startswith(name) else own, _Family())
            given = (found.group(2) or "").rstrip(",")
            added = [text for label, text in own_labels.items() if not re.search(rf'(^|,){label}="', given)]
            family.samples.append(f"{own}{{{','.join([given, *added] if given else added)}}} {found.group(3)}")


def _label_text(labels: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())
