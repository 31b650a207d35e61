"""The chain of hashes over a ledger's entries.

Belongs here: what an entry commits to, which entries it follows, and following all of them. Does not belong here: the ledger
(`ledger.py`), the services' log (`monitoring/log_chain.py`).

An entry follows every entry that no other one follows yet. That is one entry, but where two machines wrote at the same moment: then both
are followed by the next, so that no entry can be taken out once there is one after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_assets.declaration.hash_chain import Salts, commitment_of, link_after
from platform_assets.lake.table import LakeTable

CHAIN_COLUMN = "chain"
BEGINNING = "0" * 64
"""What a ledger's first entry follows."""


@dataclass(frozen=True, slots=True)
class LedgerLink:
    """What an entry says of its place: links of the entries that it follows, its salt, and its own link."""

    previous: tuple[str, ...]
    salt: str
    link: str

    @classmethod
    def read(cls, text: str) -> LedgerLink | None:
        """What a column holds; None where it is no link."""
        previous, _, rest = text.partition(":")
        salt, _, link = rest.partition(":")
        return cls(tuple(previous.split("+")), salt, link) if previous and salt and link else None

    def __str__(self) -> str:
        return f"{'+'.join(self.previous)}:{self.salt}:{self.link}"


def next_link(table: LakeTable, row: Mapping[str, Any]) -> str:
    """The link of an entry that is about to be appended."""
    tips = ledger_tips(_chains(table)) if table.exists() else (BEGINNING,)
    salt = Salts().next()
    return str(LedgerLink(tips, salt, _link(tips, salt, row)))


def ledger_tips(chains: Sequence[LedgerLink]) -> tuple[str, ...]:
    """Links that no entry follows, in order; the beginning where there is none."""
    followed = {previous for chain in chains for previous in chain.previous}
    return tuple(sorted(chain.link for chain in chains if chain.link not in followed)) or (BEGINNING,)


def _chains(table: LakeTable) -> list[LedgerLink]:
    texts = table.scan(columns=[CHAIN_COLUMN], ordered=False).collect()[CHAIN_COLUMN].drop_nulls().to_list()
    return [chain for chain in map(LedgerLink.read, texts) if chain is not None]


def _link(previous: Sequence[str], salt: str, row: Mapping[str, Any]) -> str:
    return link_after("+".join(previous), commitment_of(salt, _content(row)))


def _content(row: Mapping[str, Any]) -> bytes:
    """An entry as bytes, the same before it is written and after it is read."""
    values = {name: _plain(value) for name, value in row.items() if name != CHAIN_COLUMN}
    return json.dumps(values, sort_keys=True).encode()


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


@dataclass(frozen=True)
class FollowedLedger:
    """What following a ledger found.

    Attributes:
        entries: how many there are.
        before: how many are from before there was a chain.
        faults: entry and what does not fit, in the order of time.
        tips: links that no entry follows: the ledger's head.
    """

    entries: int
    before: int
    faults: Sequence[tuple[str, str]]
    tips: tuple[str, ...]

    @property
    def chained(self) -> int:
        """Entries that the chain holds."""
        return self.entries - self.before


def follow_ledger(rows: pl.DataFrame, anchors: Sequence[tuple[tuple[str, ...], int, str]] = ()) -> FollowedLedger:
    """Follow the entries of a ledger.

    Args:
        rows: the whole table, of every environment.
        anchors: tips, number of entries and day of each time that the ledger was anchored.
    """
    entries = rows.sort("at", "entry").to_dicts()
    links: dict[str, tuple[int, LedgerLink]] = {}
    faults: list[tuple[int, str]] = []
    before = 0
    for place, row in enumerate(entries):
        chain = LedgerLink.read(row[CHAIN_COLUMN] or "")
        if chain is None:
            before += 1
            continue
        if chain.link in links:
            faults.append((place, f"is entry {entries[links[chain.link][0]]['entry']} once more"))
        elif chain.link != _link(chain.previous, chain.salt, row):
            faults.append((place, "is not what was written"))
        links.setdefault(chain.link, (place, chain))
    for place, chain in links.values():
        if any(previous not in links and previous != BEGINNING for previous in chain.previous):
            faults.append((place, "follows an entry that is gone, or that was changed"))
    faults += _late_without_link(entries)
    for tips, count, day in anchors:
        faults += _against(links, tips, count, day)
    found = [(entries[place]["entry"], reason) for place, reason in sorted(faults)]
    return FollowedLedger(len(entries), before, tuple(found), ledger_tips([chain for _, chain in links.values()]))


def _late_without_link(entries: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Entries without a link after the first one with: the platform writes none."""
    first = next((place for place, row in enumerate(entries) if row[CHAIN_COLUMN]), len(entries))
    return [
        (place, "carries no link, though entries before it do")
        for place, row in enumerate(entries)
        if place > first and LedgerLink.read(row[CHAIN_COLUMN] or "") is None
    ]


def _against(
    links: Mapping[str, tuple[int, LedgerLink]], tips: Sequence[str], count: int, day: str
) -> list[tuple[int, str]]:
    """Entries that are not among those that were anchored, and do not come after these."""
    if tips == (BEGINNING,):
        return []
    anchored = _before(links, tips)
    if len(anchored) != count or any(tip not in links for tip in tips):
        gone = f"{count} entries were anchored on {day}, {len(anchored)} of them are there"
        return [(0, f"or one after it is gone: {gone}")]
    later: set[str] = set()
    for link, (_, chain) in sorted(links.items(), key=lambda item: item[1][0]):
        if link not in anchored and any(previous in later or previous in tips for previous in chain.previous):
            later.add(link)
    growing = True
    while growing:  # entries of one moment stand in no particular order
        more = {
            link for link, (_, chain) in links.items() if link not in anchored | later and later & {*chain.previous}
        }
        later |= more
        growing = bool(more)
    strange = [place for link, (place, _) in links.items() if link not in anchored | later]
    return [
        (place, f"was put in after the ledger was anchored on {day}, before what was anchored") for place in strange
    ]


def _before(links: Mapping[str, tuple[int, LedgerLink]], tips: Sequence[str]) -> set[str]:
    """The tips and everything that they follow."""
    found: set[str] = set()
    waiting = [tip for tip in tips if tip in links]
    while waiting:
        link = waiting.pop()
        if link not in found:
            found.add(link)
            waiting += [previous for previous in links[link][1].previous if previous in links]
    return found
