"""A chain of hashes over lines: each line carries what follows from its own content and from the line before.

Belongs here: how a line is committed to, linked and read back, shared by what writes lines and by what verifies them. Does not belong here:
files and tables (`serving/prediction_log.py`, `monitoring/log_chain.py`, `registry/ledger.py`).

A line's commitment is the hash of a random salt and its content; its link is the hash of the link before and the commitment. Content and
salt can be erased later: the commitment stays, the chain holds, and without the salt nobody can tell from the commitment what the content
was, not even by trying. Whoever can write everything can also make a whole chain anew: heads that were given to somebody else (`audit
anchor`) show that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

CHAIN = "_chain"
"""The last field of a line: `salt:link`, of a segment's first line followed by `:segment before:its head`."""
ERASED = "_erased"
"""The first field of a line whose content was erased, the erasure's id; its chain is `commitment:link`."""
LINK_BYTES = 110
"""What the chain adds to a line."""
_SALT_BYTES = 16
_SALTS_AT_ONCE = 256
_OPENS = f',"{CHAIN}":"'.encode()
_ERASED_OPENS = f'{{"{ERASED}":'.encode()


@dataclass(frozen=True, slots=True)
class ChainedLine:
    """A line that was read back.

    Attributes:
        content: what was written, as JSON; None of an erased line.
        commitment: hash of salt and content; of an erased line what is said of it.
        link: what is said to follow from the line before.
        after: name and head of the segment before; only of a segment's first line.
        erasure: id of the erasure; None of a line that is whole.
    """

    content: bytes | None
    commitment: str
    link: str
    after: tuple[str, str] | None
    erasure: str | None = None


class Salts:
    """Random salts, drawn many at once. Not for several threads."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def next(self) -> str:
        """A salt that nobody else has."""
        if not self._drawn:
            digits, width = os.urandom(_SALT_BYTES * _SALTS_AT_ONCE).hex(), 2 * _SALT_BYTES
            self._drawn = [digits[start : start + width] for start in range(0, len(digits), width)]
        return self._drawn.pop()


def beginning(name: str, after: tuple[str, str] | None) -> str:
    """What the first line of a chain follows: the chain's name, and where the one before it ended."""
    return hashlib.sha256("\0".join((name, *(after or ("", "")))).encode()).hexdigest()


def commitment_of(salt: str, content: bytes) -> str:
    """The hash that stands for a content."""
    return hashlib.sha256(salt.encode() + content).hexdigest()


def link_after(previous: str, commitment: str) -> str:
    """The link of a line after another one's."""
    return hashlib.sha256((previous + commitment).encode()).hexdigest()


def chained_line(content: bytes, salt: str, previous: str, after: tuple[str, str] | None) -> tuple[bytes, str]:
    """A line of JSON with its chain, without a line break, and its link.

    Args:
        content: a JSON object that is not empty.
        salt: of its own.
        previous: link of the line before, or the chain's beginning.
        after: of a segment's first line, the segment before; None for all others, and for the first segment of a process.
    """
    link = link_after(previous, commitment_of(salt, content))
    follows = "" if after is None else f":{after[0]}:{after[1]}"
    return b'%b%b%b"}' % (content[:-1], _OPENS, f"{salt}:{link}{follows}".encode()), link


def read_line(line: bytes) -> ChainedLine | None:
    """A line that carries a chain; None of one from before there was any."""
    begin = line.rfind(_OPENS)
    if begin < 0 or not line.endswith(b'"}'):
        return None
    first, *rest = line[begin + len(_OPENS) : -2].decode("utf-8", "replace").split(":")
    if len(rest) not in (1, 3):
        return None
    after = (rest[1], rest[2]) if len(rest) == 3 else None
    if line.startswith(_ERASED_OPENS):
        erasure = line[len(_ERASED_OPENS) : begin].decode("utf-8", "replace").strip('"')
        return ChainedLine(None, first, rest[0], after, erasure)
    content = line[:begin] + b"}"
    return ChainedLine(content, commitment_of(first, content), rest[0], after)


def erased_line(line: ChainedLine, erasure: str) -> bytes:
    """A line in whose place only its commitment stands."""
    follows = "" if line.after is None else f":{line.after[0]}:{line.after[1]}"
    return f'{{"{ERASED}":"{erasure}","{CHAIN}":"{line.commitment}:{line.link}{follows}"}}'.encode()


def is_erased(values: Mapping[str, object]) -> bool:
    """Whether the values of a parsed line are those of an erased one."""
    return ERASED in values
