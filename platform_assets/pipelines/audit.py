"""Audit: whether log, lake and ledger are what was written, and their heads written down.

Belongs here: following every chain of a use case, holding the lake's predictions against the log, and anchors. Does not belong here: the
chains themselves (`monitoring/log_chain.py`, `registry/ledger_chain.py`), erasing (`pipelines/erase`), printing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration.prediction_log import SHADOW
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import SERVING
from platform_assets.lake.schemas import ANCHOR_SCHEMA, ERASURE_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.log_chain import AnchoredHead, ChainFault, FollowedChain, follow_chain
from platform_assets.monitoring.prediction_log import find_lines, read_segments
from platform_assets.registry.ledger_chain import FollowedLedger, follow_ledger

SEGMENT, LEDGER, ALL = "segment", "ledger", "all"


class AnchorUnknown(ValueError):
    """A head that was kept elsewhere is not among the anchors here: these were changed, or it is another log's."""


class NotAnchored(ValueError):
    """Log or ledger is not what was written, so that nothing was anchored; the message names the first bad place."""


@dataclass(frozen=True)
class AuditedLog:
    """What an audit found.

    Attributes:
        log: following the services' log.
        ledger: following the ledger; None where there is none.
        faults: everything that is not as it was written: the log first, then the lake, the ledger, the anchors.
        stored: predictions in the lake that were held against the log.
        unchained: those of them that are from before there was a chain.
        erasures: recorded.
        anchors: how often heads were written down.
        anchored_at: when that was done last; None where it never was.
        lines_since: lines of the log that no anchor holds yet.
    """

    log: FollowedChain
    ledger: FollowedLedger | None
    faults: Sequence[ChainFault]
    stored: int
    unchained: int
    erasures: pl.DataFrame
    anchors: int
    anchored_at: datetime | None
    lines_since: int

    @property
    def passed(self) -> bool:
        """Whether everything is as it was written."""
        return not self.faults


def anchor_table(catalog: Catalog) -> LakeTable:
    """Where the log and the ledger ended, each time that it was written down."""
    return catalog.lake.table(catalog.use_case.name, SERVING, "anchors", ANCHOR_SCHEMA)


def erasure_table(catalog: Catalog) -> LakeTable:
    """What was erased on request, without what was erased."""
    return catalog.lake.table(catalog.use_case.name, SERVING, "erasures", ERASURE_SCHEMA)


def verify_audit(catalog: Catalog, log_folder: Path, against: str | None = None) -> AuditedLog:
    """Follow the log and the ledger, and hold the lake's predictions against the log.

    Args:
        catalog: the tables.
        log_folder: of the use case's services.
        against: the head of an anchor that was kept elsewhere.

    Raises:
        AnchorUnknown: no anchor here has that head.
    """
    anchors, erasures = _rows(anchor_table(catalog)), _rows(erasure_table(catalog))
    if against is not None and against not in anchors.filter(pl.col("kind") == ALL)["head"].to_list():
        raise AnchorUnknown(
            f"{catalog.use_case.name}: no anchor here has the head {against}: anchors were changed or taken out since it was kept, or it "
            "is that of another log"
        )
    known = {commitment: row["erasure"] for row in erasures.to_dicts() for commitment in json.loads(row["log_lines"])}
    log = follow_chain(log_folder, known, _anchored_segments(anchors))
    lake, stored, unchained = _against_log(catalog, log_folder, log)
    ledger = _followed_ledger(catalog, anchors)
    faults = [*log.faults, *lake, *_ledger_faults(catalog, ledger), *_anchor_faults(catalog, anchors)]
    moments = anchors.filter(pl.col("kind") == ALL)["at"].sort().to_list()
    last = moments[-1] if moments else None
    since = _lines_since(log, anchors)
    return AuditedLog(log, ledger, tuple(faults), stored, unchained, erasures, len(moments), last, since)


def anchor_of_day(catalog: Catalog, log_folder: Path, now: datetime | None = None) -> str:
    """Write down where the log and the ledger end, once on each day of UTC, and say in a sentence what became of it.

    Where something is not as it was written, that is the sentence: what is stored meanwhile is stored all the same.
    """
    moment, table = now or datetime.now(UTC), anchor_table(catalog)
    if any(at.date() == moment.date() for at in _rows(table)["at"].to_list()):
        return f"anchored on {moment.date()} already"
    try:
        written = write_anchor(catalog, log_folder, moment, key=f"anchor/day/{moment.date()}")
    except NotAnchored as error:
        return str(error)
    return f"anchored on {moment.date()}: {written['head']}"


def write_anchor(
    catalog: Catalog, log_folder: Path, now: datetime | None = None, key: str | None = None
) -> dict[str, Any]:
    """Write down where the log and the ledger end.

    Segments whose last line was anchored before are not written again.

    Args:
        catalog: the tables.
        log_folder: of the use case's services.
        now: the present.
        key: of two anchors with the same key only the first is kept; None for one that is always kept.

    Returns:
        The anchor, as it may be kept elsewhere: its id, time, head, and the rows that the head stands for.

    Raises:
        NotAnchored: the log or the ledger is not what was written.
    """
    moment, table = now or datetime.now(UTC), anchor_table(catalog)
    anchors = _rows(table)
    found = verify_audit(catalog, log_folder)
    if not found.passed:
        raise NotAnchored(
            f"{catalog.use_case.name}: nothing is anchored, because {len(found.faults)} places are not as they were written, the first "
            f"{found.faults[0]}: platform-assets audit verify {catalog.use_case.name}"
        )
    before = {(row["name"], row["lines"]) for row in anchors.filter(pl.col("kind") == SEGMENT).to_dicts()}
    rows: list[dict[str, Any]] = [
        {"kind": SEGMENT, "name": one.name, "lines": one.lines, "head": one.head}
        for one in found.log.segments.values()
        if (one.name, one.lines) not in before
    ]
    if found.ledger is not None:
        rows.append(
            {"kind": LEDGER, "name": LEDGER, "lines": found.ledger.chained, "head": "+".join(found.ledger.tips)}
        )
    name = moment.strftime("%Y%m%dT%H%M%S.%fZ")
    previous = anchors.filter(pl.col("kind") == ALL).sort("at")["head"].to_list()
    head = _head(rows, previous[-1] if previous else "")
    whole = [*rows, {"kind": ALL, "name": ALL, "lines": len(rows), "head": head}]
    table.append(
        pl.DataFrame([{"anchor": name, "at": moment, **row} for row in whole], schema=ANCHOR_SCHEMA),
        idempotency_key=key or f"anchor/{name}",
    )
    return {"use_case": catalog.use_case.name, "anchor": name, "at": moment.isoformat(), "head": head, "rows": rows}


def _head(rows: Sequence[Mapping[str, Any]], previous: str) -> str:
    plain = sorted((row["kind"], row["name"], row["lines"], row["head"]) for row in rows)
    return hashlib.sha256(json.dumps([previous, plain]).encode()).hexdigest()


def _rows(table: LakeTable) -> pl.DataFrame:
    return table.read() if table.exists() else pl.DataFrame(schema=table.schema)


def _lines_since(log: FollowedChain, anchors: pl.DataFrame) -> int:
    held = anchors.filter(pl.col("kind") == SEGMENT).group_by("name").agg(pl.col("lines").max())
    anchored = dict(held.iter_rows())
    return sum(max(0, one.lines - anchored.get(one.name, 0)) for one in log.segments.values())


def _anchored_segments(anchors: pl.DataFrame) -> list[AnchoredHead]:
    rows = anchors.filter(pl.col("kind") == SEGMENT).sort("at").to_dicts()
    return [AnchoredHead(row["name"], row["lines"], row["head"], str(row["at"].date())) for row in rows]


def _followed_ledger(catalog: Catalog, anchors: pl.DataFrame) -> FollowedLedger | None:
    if not catalog.ledger.exists():
        return None
    heads = anchors.filter(pl.col("kind") == LEDGER).sort("at").to_dicts()
    known = [(tuple(row["head"].split("+")), row["lines"], str(row["at"].date())) for row in heads]
    return follow_ledger(catalog.ledger.read(), known)


def _ledger_faults(catalog: Catalog, ledger: FollowedLedger | None) -> list[ChainFault]:
    if ledger is None:
        return []
    path = catalog.path(catalog.ledger)
    return [ChainFault(f"{path} entry {entry}", reason) for entry, reason in ledger.faults]


def _anchor_faults(catalog: Catalog, anchors: pl.DataFrame) -> list[ChainFault]:
    """Anchors whose head does not stand for their rows and the anchor before."""
    path, previous, faults = catalog.path(anchor_table(catalog)), "", []
    for whole in anchors.filter(pl.col("kind") == ALL).sort("at").to_dicts():
        rows = anchors.filter((pl.col("anchor") == whole["anchor"]) & (pl.col("kind") != ALL)).to_dicts()
        if _head(rows, previous) != whole["head"]:
            faults.append(
                ChainFault(
                    f"{path} anchor {whole['anchor']}", "is not what was written, or the anchor before it is gone"
                )
            )
        previous = whole["head"]
    known = set(anchors.filter(pl.col("kind") == ALL)["anchor"].to_list())
    strange = sorted(set(anchors["anchor"].to_list()) - known)
    return [*faults, *(ChainFault(f"{path} anchor {name}", "has no head") for name in strange)]


def _against_log(catalog: Catalog, log_folder: Path, log: FollowedChain) -> tuple[list[ChainFault], int, int]:
    """Rows of the lake that the log does not have, or has otherwise; how many were held against it, and how many are from before."""
    use_case = catalog.use_case
    if not use_case.is_realtime or not log.segments:
        return [], 0, 0
    written = read_segments(log_folder, use_case).frame
    began = min(log.segments)[: len("20180401T000000.000000Z")]
    since = datetime.strptime(began, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    faults: list[ChainFault] = []
    stored = unchained = 0
    for table, shadow in ((catalog.predictions, False), (catalog.shadow_predictions, True)):
        if not table.exists():
            continue
        rows = table.read()
        own = written.filter((pl.col("role") == SHADOW).fill_null(False) == shadow)
        there = rows.join(own.select("request_id"), on="request_id", how="semi")
        absent = rows.join(own.select("request_id"), on="request_id", how="anti")
        old = absent.filter(pl.col("scored_at") < since)
        stored, unchained = stored + there.height, unchained + old.height
        path = catalog.path(table)
        for row in absent.filter(pl.col("scored_at") >= since).sort("scored_at").to_dicts():
            faults.append(ChainFault(f"{path} request {row['request_id']}", "stands in no line of the log"))
        faults += _changed(there, own, path, catalog, log_folder)
        doubled = rows.filter(pl.col("request_id").is_duplicated()).unique("request_id")
        faults += [
            ChainFault(f"{path} request {name}", "is stored more than once") for name in doubled["request_id"].sort()
        ]
    return faults, stored, unchained


def _changed(
    rows: pl.DataFrame, written: pl.DataFrame, path: str, catalog: Catalog, log_folder: Path
) -> list[ChainFault]:
    """Rows that are not the line of their request; a request may have several lines, of which the lake keeps the first."""
    columns = [name for name in rows.columns if name != "request_id"]
    both = rows.join(written, on="request_id", how="inner", suffix="__written")
    differs = [pl.col(name).ne_missing(pl.col(f"{name}__written")).alias(name) for name in columns]
    marked = both.select("request_id", "scored_at", *(each.alias(f"__{each.meta.output_name()}") for each in differs))
    wrong = marked.filter(pl.any_horizontal(pl.exclude("request_id", "scored_at"))).sort("scored_at")
    faults = []
    for row in wrong.to_dicts():
        own = rows.filter(pl.col("request_id") == row["request_id"]).row(0, named=True)
        lines = [line for _, line in find_lines(log_folder, catalog.use_case, row["request_id"])]
        if any(all(line.get(name) == own[name] for name in columns) for line in lines):
            continue
        names = ", ".join(name for name in columns if row[f"__{name}"])
        faults.append(ChainFault(f"{path} request {row['request_id']}", f"differs from its line in {names}"))
    return faults
