"""Text that went through a wrong encoding, told from text that is only unusual.

Belongs here: the pattern of damage. Does not belong here: the rule that uses it (`schema.py`).

UTF-8 that is read as Latin-1 or Windows-1252 turns each letter beyond ASCII into two to four signs: a *lead* (`Ã`, `Å`, `Ð`, `â` ...)
and one to three *trails*, which Latin-1 shows as invisible controls and symbols, and Windows-1252 as symbols, quotes and a few letters.
`Straße` becomes `StraÃŸe`, `Österreich` `Ã–sterreich`, `škoda` `Å¡koda`, `Київ` `ÐšÐ¸Ñ—Ð²`.

Honest text has leads before trails too: in a word in capitals before a quote (`CAFÉ’`), before an ellipsis (`NÃO… JOÃO…`), a dash, a
sign such as `®`, the no-break space of French punctuation (`déjà !`); and Czech has `Š` and `Ž` after accented capitals (`KŘÍŽ`). So a
pair counts by what its lead begins: some begin letters of common alphabets, and then nearly any trail is damage; others begin rare
letters only, and then several pairs in a row are needed.
"""

from __future__ import annotations

CONTINUED = (
    "\u00a0-\u00bf"
    "\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
"""What the bytes 0xA0 to 0xBF are in both, and 0x80 to 0x9F in Windows-1252, as a character class."""
AFTER_WORDS = (
    "\u00a0\u00ad\u00bb\u00ab\u2019\u2018\u201c\u201d\u2026\u2013\u2014\u2022\u2039\u203a"
    "\u2122\u00ae\u00a9\u00b0\u00aa\u00ba\u00b2\u00b3\u00b9\u00b7"
)
"""Trails that honest text has after a letter."""
SOFT_HYPHEN, DASHES = "\u00ad", "\u2013\u2014"
_LETTERS = "\u0160\u0152\u017d\u0161\u0153\u017e\u0178"
"""Trails that are letters."""


def _without(signs: str, more: str = "") -> str:
    """Trails but these."""
    return "".join(sign for sign in _expanded(CONTINUED) if sign not in signs + more)


def _expanded(ranges: str) -> list[str]:
    """The signs of a character class with ranges."""
    signs, i = [], 0
    while i < len(ranges):
        if i + 2 < len(ranges) and ranges[i + 1] == "-":
            signs += [chr(code) for code in range(ord(ranges[i]), ord(ranges[i + 2]) + 1)]
            i += 3
        else:
            signs.append(ranges[i])
            i += 1
    return signs


def _pattern() -> str:
    certain = _without(AFTER_WORDS)
    no_letter = _without(AFTER_WORDS, _LETTERS)
    common = "\u00c3\u00c4\u00c5"  # ß ä é ñ ø; č ď ě ğ ł; ł ń ő ř š ž
    greek_and_cyrillic = "\u00ce\u00cf\u00d0\u00d1"
    rare = "\u00d2-\u00df\u00c6-\u00cd"
    three, four = "\u00e0-\u00ef", "\u00f0"
    return "|".join(
        [
            # The sign for a byte that was no text, and controls that no text has: Latin-1's trails among them.
            r"[\x{FFFD}\x{0080}-\x{0084}\x{0086}-\x{009F}]|[\u00C2-\u00F4]\x{0085}",
            # Â begins nothing but symbols (° £ » §): damage unless a word in capitals ends there.
            rf"(?:^|[^\p{{Lu}}])\u00C2[\u00A0-\u00BF]|\u00C2[{_without(AFTER_WORDS, _LETTERS)}]|\u00C2[\u00A0-\u00BF]\p{{L}}",
            # Leads of common letters, with a trail that no honest text has after one, or inside a word.
            rf"[{common}][{certain}]",
            rf"[{common}][{_without(SOFT_HYPHEN + DASHES)}]\p{{L}}",
            rf"[\u00C3\u00C4][{DASHES}]\p{{L}}|(?:^|[^\p{{Lu}}])\u00C5[{DASHES}]\p{{L}}",
            rf"\p{{Ll}}[{common}][{AFTER_WORDS}]",
            # Ã stands alone in no language: à and í, é and ó at the end of a word, before punctuation.
            rf"(?:^|[^\p{{L}}]|[^\p{{Lu}}]\p{{Lu}}|^\p{{Lu}})\u00C3[{AFTER_WORDS}]|\u00C3\u00AD",
            # Greek and Cyrillic: one pair with a trail that stands after no letter, or two of any kind.
            r"(?:^|[^\p{L}])[\u00CE\u00CF][\u00A9\u00AE\u00B0\u00AA\u00BA\u00B2\u00B3\u00B9\u00B7]",
            rf"[{greek_and_cyrillic}][{no_letter}]|(?:[{greek_and_cyrillic}][{CONTINUED}]){{2}}",
            # Vietnamese ơ and ư, Romanian ș and ț, Azerbaijani ə, Hawaiian ʻ, and accents that follow their letter.
            r"\u00C6[\u00A1\u00AF\u00B0]|(?:^|[^\p{Lu}])\u00C8[\u0161\u2122\u203A\u02DC]|\u00C8[\u0161\u2122\u203A\u02DC]\p{L}",
            r"(?:^|[^\p{Lu}])\u00C9\u2122|\u00C9\u2122\p{L}|\u00CA\u00BC|\p{Ll}\u00CA\u00BB|\u00CA\u00BB\p{L}",
            r"\p{L}\u00CC[\u20AC\u201A\u0192\u201E\u2020\u2021\u02C6\u0160\u2039\u0152\u00A3\u00A7\u00A8]",
            # Hebrew, Arabic, Armenian and others: two pairs in a row.
            rf"(?:[{rare}][{CONTINUED}]){{2}}",
            # Three and four bytes: a trail that stands after no letter among them, or two such letters in a row.
            rf"[{three}](?:[{certain}][{CONTINUED}]|[{CONTINUED}][{certain}])|(?:[{three}][{CONTINUED}]{{2}}){{2}}",
            rf"[{four}]\u0178[{CONTINUED}]{{2}}|[{four}][{CONTINUED}]{{3}}",
        ]
    )


DAMAGED_TEXT = _pattern()
"""A regular expression that damaged text contains; in the syntax of Rust, without look-around."""
