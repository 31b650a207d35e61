"""Which version an entity gets in an A/B test: a pure function of the experiment's name and the entity's value.

Belongs here: the assignment, and the text of a value that it is computed from. Does not belong here: splitting traffic
(`deployment/routing/assignment_filter.lua` holds the same function for the proxy, and a test holds both to the same answers), or judging
(`analysis/`). The service carries this module: it imports nothing but the standard library.

Two hashes of the value, each salted with the experiment's name: one says whether the entity takes part, one which version it gets. A
larger share of the traffic therefore adds entities and moves none, and two experiments treat the same entities independently of each
other. The hash is MurmurHash3 x86 32 (Appleby 2011), as several experiment platforms use it: its output passes for random even where
values are consecutive numbers, and it is short enough for the proxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

BUCKETS = 10_000
"""Shares are told apart down to a hundredth of a per cent."""
_FIRST, _SECOND, _WORD = 0xCC9E2D51, 0x1B873593, 0xFFFFFFFF


class Variant(StrEnum):
    """What an entity that takes part is given."""

    CONTROL = "control"
    TREATMENT = "treatment"


OUTSIDE, NO_ENTITY, UNDECIDED = "outside", "no_entity", "undecided"
"""What the proxy says of a request that it gives to control without its being part of the experiment: its entity does not take part, it
names none, or its text is one that only the service reads (an exponent, a tensor, half of a surrogate pair)."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a use case's traffic is split while an experiment runs.

    Attributes:
        use_case: whose traffic.
        name: of the experiment; salts the hashes.
        column: request column whose values are assigned as a whole.
        traffic: buckets of 10,000 that take part.
        treatment: buckets of 10,000 among those that get the new version.
    """

    use_case: str
    name: str
    column: str
    traffic: int
    treatment: int

    @property
    def salt(self) -> str:
        """What comes before a value when it is hashed; experiments of other use cases may have the same name."""
        return f"{self.use_case}/{self.name}"

    def header(self) -> str:
        """The split in one line, as the proxy tells it to the service."""
        return f"{self.name};{self.column};{self.traffic};{self.treatment}"


def split_of(use_case: str, name: str, column: str, traffic_ratio: float, treatment_ratio: float) -> Split:
    """The split that is declared; a share is never rounded to nobody."""
    shares = [max(1, round(ratio * BUCKETS)) for ratio in (traffic_ratio, treatment_ratio)]
    return Split(use_case, name, column, shares[0], min(shares[1], BUCKETS - 1))


@lru_cache(maxsize=16)
def split_from_header(use_case: str, text: str) -> Split | None:
    """The split that a header tells of; None for text that is none."""
    parts = text.split(";")
    if len(parts) != 4 or not (parts[2].isdecimal() and parts[3].isdecimal()):
        return None
    return Split(use_case, parts[0], parts[1], int(parts[2]), int(parts[3]))


def canonical_text(value: Any) -> str | None:
    """The text of a value that is hashed: a string as it is, a whole number in decimal digits; None for anything else.

    `12`, `12.0` and `"12"` have one text: a column is of one type, so that no two of its values share a text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def assign(split: Split, text: str) -> Variant | None:
    """What the entity of that text gets; None where it does not take part.

    Raises:
        UnicodeEncodeError: the text holds half of a surrogate pair.
    """
    if bucket(f"traffic:{split.salt}:{text}") >= split.traffic:
        return None
    return Variant.TREATMENT if bucket(f"variant:{split.salt}:{text}") < split.treatment else Variant.CONTROL


def bucket(text: str) -> int:
    """0 to 9,999, evenly."""
    return murmur3(text.encode()) % BUCKETS


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86 32 with seed 0."""
    length, hashed = len(data), 0
    whole = length - length % 4
    for start in range(0, whole, 4):
        hashed ^= _mixed(int.from_bytes(data[start : start + 4], "little"))
        hashed = (_rotated(hashed, 13) * 5 + 0xE6546B64) & _WORD
    if whole < length:
        hashed ^= _mixed(int.from_bytes(data[whole:], "little"))
    hashed ^= length
    hashed = ((hashed ^ hashed >> 16) * 0x85EBCA6B) & _WORD
    hashed = ((hashed ^ hashed >> 13) * 0xC2B2AE35) & _WORD
    return hashed ^ hashed >> 16


def _mixed(word: int) -> int:
    return _rotated((word * _FIRST) & _WORD, 15) * _SECOND & _WORD


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _WORD
