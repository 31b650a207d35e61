"""Whether the services' log is what they wrote: its chain of hashes, followed line by line.

Belongs here: following the chain of segments, and holding it against heads that were anchored and erasures that were recorded. Does not
belong here: hashing (`declaration/hash_chain.py`), the anchors' and erasures' tables (`pipelines/audit.py`).

What is found: a line that was changed, taken out, put in or moved; a segment that is gone, though another one follows it or an anchor
names it; an erased line that no erasure names. What is not: a last line, or a process's last segment, that is gone before any anchor was
made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_assets.declaration.hash_chain import ChainedLine, beginning, link_after, read_line
from platform_assets.declaration.prediction_log import COMPRESSED_SUFFIX, SEGMENT_SUFFIX
from platform_assets.monitoring.log_segments import segment_paths, segment_text


@dataclass(frozen=True, slots=True)
class ChainFault:
    """Something that is not as it was written.

    Attributes:
        place: `segment:line`, the line counted from 1; or a table with its row.
        reason: what does not fit.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """Where a segment ends.

    Attributes:
        name: of the segment, without compression's suffix.
        lines: complete lines.
        head: link of the last one.
        links: link of every line, in order.
        erased: how many lines are erased.
        after: the segment before, and its head; None of a process's first.
    """

    name: str
    lines: int
    head: str
    links: tuple[str, ...]
    erased: int
    after: tuple[str, str] | None


@dataclass(frozen=True)
class FollowedChain:
    """What following the chain found.

    Attributes:
        segments: every segment with a chain, by name.
        faults: what is not as it was written, in the order of the log.
        before: segments from before there was a chain.
        erasures: how many lines each erasure took.
    """

    segments: Mapping[str, SegmentHead]
    faults: Sequence[ChainFault]
    before: Sequence[str]
    erasures: Mapping[str, int]

    @property
    def lines(self) -> int:
        """Lines that the chain holds."""
        return sum(segment.lines for segment in self.segments.values())


@dataclass(frozen=True)
class AnchoredHead:
    """A segment's end as it was anchored."""

    name: str
    lines: int
    head: str
    day: str


def follow_chain(
    folder: Path, erased: Mapping[str, str] | None = None, anchors: Sequence[AnchoredHead] = ()
) -> FollowedChain:
    """Follow the chain of every segment of a log.

    Args:
        folder: of the log.
        erased: id of the erasure by commitment, of every line that was erased; None where erasures are not known, which are then believed.
        anchors: ends of segments as they were anchored.
    """
    segments: dict[str, SegmentHead] = {}
    faults: list[ChainFault] = []
    unchained: list[str] = []
    erasures: dict[str, int] = {}
    for path in segment_paths(folder):
        name = segment_name(path)
        *complete, _ = segment_text(path).split(b"\n")
        lines = [line for line in complete if line.strip()]
        read = [read_line(line) for line in lines]
        if not any(read):
            unchained.append(name)
            continue
        segments[name] = _follow(name, read, faults, erasures, erased)
    wrong = {fault.place for fault in faults}
    faults += _not_followed([one for one in segments.values() if f"{one.name}:1" not in wrong], segments)
    faults += _unexpected(unchained, segments)
    faults += _against_anchors(segments, unchained, anchors)
    return FollowedChain(segments, tuple(sorted(faults, key=_in_order)), tuple(unchained), erasures)


def segment_name(path: Path) -> str:
    """The name that a segment was written under."""
    return path.name.removesuffix(COMPRESSED_SUFFIX).removesuffix(SEGMENT_SUFFIX) + SEGMENT_SUFFIX


def _follow(
    name: str,
    read: Sequence[ChainedLine | None],
    faults: list[ChainFault],
    erasures: dict[str, int],
    erased: Mapping[str, str] | None,
) -> SegmentHead:
    """One segment; after a fault the chain goes on from what the faulty line says of itself."""
    first = next(line for line in read if line is not None)
    previous = beginning(name, first.after)
    links: list[str] = []
    for number, line in enumerate(read, start=1):
        place = f"{name}:{number}"
        if line is None:
            faults.append(
                ChainFault(
                    place, "carries no link, though its segment has a chain: it was put in, or its link was taken"
                )
            )
            links.append("")
            continue
        if line.link != link_after(previous, line.commitment):
            reason = "does not follow from the line before it: it was changed or put in, or what stood before it is gone or was moved"
            faults.append(ChainFault(place, reason))
        elif line.after is not None and number > 1:
            faults.append(ChainFault(place, "names a segment before it, which only the first line of a segment does"))
        if line.erasure is not None:
            erasures[line.erasure] = erasures.get(line.erasure, 0) + 1
            if erased is not None and erased.get(line.commitment) != line.erasure:
                faults.append(ChainFault(place, f"was erased, and no record of erasure {line.erasure} names it"))
        previous = line.link
        links.append(line.link)
    return SegmentHead(
        name,
        len(read),
        previous,
        tuple(links),
        sum(line is not None and line.erasure is not None for line in read),
        first.after,
    )


def _not_followed(believed: Sequence[SegmentHead], segments: Mapping[str, SegmentHead]) -> Iterator[ChainFault]:
    """Segments that a believed one says it follows, and that are gone or end otherwise."""
    for segment in believed:
        if segment.after is None:
            continue
        name, head = segment.after
        before = segments.get(name)
        if before is None:
            yield ChainFault(f"{name}:1", f"the whole segment is gone: {segment.name} follows it")
        elif before.head != head:
            last = before.lines + (head not in before.links)
            yield ChainFault(
                f"{name}:{last}",
                f"does not end as {segment.name}, which follows it, says: lines are gone or were put in at its end",
            )


def _unexpected(unchained: Sequence[str], segments: Mapping[str, SegmentHead]) -> Iterator[ChainFault]:
    """Segments without a chain of a release that writes one."""
    began: dict[str, str] = {}
    for name in segments:
        release = _release(name)
        began[release] = min(name, began.get(release, name))
    for name in unchained:
        if _release(name) in began:
            yield ChainFault(
                f"{name}:1",
                f"no line carries a link, though release {_release(name)} writes them ({began[_release(name)]})",
            )


def _release(name: str) -> str:
    """The part of a segment's name that says which release wrote it."""
    parts = name.split("-")
    return parts[1] if len(parts) > 3 else name


def _against_anchors(
    segments: Mapping[str, SegmentHead], unchained: Sequence[str], anchors: Sequence[AnchoredHead]
) -> Iterator[ChainFault]:
    """Segments that are not what they were when they were anchored."""
    for anchor in anchors:
        segment = segments.get(anchor.name)
        if segment is None:
            reason = "carries no link any more" if anchor.name in unchained else "is gone"
            yield ChainFault(
                f"{anchor.name}:1", f"the segment {reason}; it was anchored on {anchor.day} with {anchor.lines} lines"
            )
        elif segment.lines < anchor.lines:
            yield ChainFault(
                f"{anchor.name}:{segment.lines + 1}",
                f"is gone: {anchor.lines} lines were anchored on {anchor.day}, {segment.lines} are there",
            )
        elif segment.links[anchor.lines - 1] != anchor.head:
            yield ChainFault(
                f"{anchor.name}:{anchor.lines}",
                f"is another line than was anchored on {anchor.day}, or one before it is",
            )


def _in_order(fault: ChainFault) -> tuple[str, int]:
    name, _, number = fault.place.rpartition(":")
    return name, int(number) if number.isdecimal() else 0
