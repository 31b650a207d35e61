"""Expressions of declarations: which SQL may stand in one, and what it means.

Belongs here: from the text of an expression to what polars computes. Does not belong here: which columns an expression may name
(`checks/`), and computing it (each stage).

An expression says something about one row. So it is read here before polars sees it: no subquery (it could open a file or an address),
no clock, no function of many rows, only functions that are listed. Numbers then mean what they mean in mathematics: `1.0` is a float
(polars takes it for a decimal with its own few digits, whose division by zero is an error), and whole numbers are held in 64 bits
(polars keeps `EXTRACT(HOUR FROM t) * 60` in 8 bits, where 13 * 60 is 12).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import polars as pl


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words(
    """
    abs acos acosd asin asind atan atan2 atan2d atand cbrt ceil ceiling cos cosd cot cotd degrees div exp floor ln log log10 log1p log2
    mod pi pow power radians round sign sin sind sqrt tan tand trunc
    coalesce greatest least if ifnull nullif
    bit_and bit_or bit_xor bit_not bit_length concat concat_ws ends_with initcap left length char_length character_length lower lpad ltrim
    normalize octet_length position regexp_like regexp_replace replace reverse right rpad rtrim split_part starts_with strpos strptime
    substr substring trim upper
    date date_part day dayofweek dayofyear extract hour minute month quarter second strftime timestamp week year
    cast try_cast
    """
)
"""Functions of one row's values, which give the same today and tomorrow."""

_BEFORE_PARENTHESIS = _words(
    "and or not xor in when then else case between like ilike rlike regexp is as end on from for by"
)
"""Words of the language that a parenthesis may follow."""
_QUERIES = _words("select with union intersect except values table exists unnest lateral recursive into pivot qualify")
_CLOCKS = _words("now current_date current_time current_timestamp localtime localtimestamp today sysdate getdate")
_MANY_ROWS = _words(
    """
    over sum avg mean count min max median stddev stddev_pop stddev_samp stdev var variance var_pop var_samp corr covar covar_pop
    covar_samp first last first_value last_value nth_value lag lead rank dense_rank row_number ntile percent_rank cume_dist quantile
    quantile_cont quantile_disc percentile_cont percentile_disc mode array_agg string_agg group_concat listagg any_value bool_and bool_or
    """
)
_EXACT_TYPES = _words("decimal numeric dec bignumeric bigdecimal")
_SMALL_RESULTS = _words(
    """
    extract date_part day dayofweek dayofyear hour minute month quarter second week year
    length char_length character_length octet_length bit_length strpos position
    """
)
"""Functions whose whole numbers polars keeps in 8 to 32 bits, or without a sign."""
_FRACTIONS = _words("epoch millisecond milliseconds microsecond microseconds nanosecond nanoseconds time timezone")
"""Parts of a time that are no small whole numbers."""
_WITH_FROM = _words("extract substring trim")

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>--|/\*)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|`[^`]*`)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<word>[^\W\d]\w*)|(?P<sign>::|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_SMALL_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)


class ExpressionError(pl.exceptions.SQLInterfaceError):
    """An expression that may not stand in a declaration; the message says what in it, and what to write."""


class _Token(NamedTuple):
    kind: str
    text: str
    space: str = ""
    """What stands between it and the token before."""

    @property
    def word(self) -> str:
        """The word in lower case; nothing for anything else."""
        return self.text.lower() if self.kind == "word" else ""


def engine_expression(text: str, schema: Mapping[str, pl.DataType] | None = None) -> pl.Expr:
    """A declared expression as polars reads it.

    Args:
        text: an expression in polars' SQL dialect.
        schema: the columns that it will be computed on, where these are known: whole numbers of few bits are then widened, and decimals
            become floats.

    Raises:
        ExpressionError: it holds what no declaration may hold.
        polars.exceptions.PolarsError: it is not in polars' SQL dialect.
    """
    tokens = _checked(text)
    casts = {} if schema is None else {name: cast for name, dtype in schema.items() if (cast := _cast_of(dtype))}
    return pl.sql_expr(_written(tokens, casts))


def columns_of(text: str) -> list[str]:
    """Columns that an expression names.

    Raises:
        ExpressionError: as `engine_expression`.
        polars.exceptions.PolarsError: as `engine_expression`.
    """
    return engine_expression(text).meta.root_names()


def _cast_of(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return "DOUBLE"
    return "BIGINT" if dtype in _SMALL_INTEGERS else ""


@lru_cache(maxsize=1024)
def _checked(text: str) -> tuple[_Token, ...]:
    """The tokens of an expression that may stand in a declaration."""
    tokens: list[_Token] = []
    space = ""
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "space":
            space = match.group()
            continue
        tokens.append(_Token(str(match.lastgroup), match.group(), space))
        space = ""
    if not tokens:
        raise ExpressionError("is empty")
    opened: list[str] = []
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else _Token("", "")
        after = tokens[i + 1] if i + 1 < len(tokens) else _Token("", "")
        _refuse_sign(token, after)
        if token.text == "(":
            opened.append(before.word)
        elif token.text == ")" and opened:
            opened.pop()
        if token.kind == "word":
            _refuse_word(token.word, token.text, before, after, opened[-1] if opened else "")
            if [part.text for part in tokens[i + 1 : i + 3]] == ["(", ")"] and token.word in FUNCTIONS - {"pi"}:
                raise ExpressionError(f"calls {token.text} without an argument")  # polars panics at GREATEST()
    return tuple(tokens)


def _refuse_sign(token: _Token, after: _Token) -> None:
    if token.kind == "comment":
        message = "write it beside the expression, after #; of two signs, put the second in parentheses"
        raise ExpressionError(f"holds a comment ({token.text}): {message}")
    if token.kind == "sign" and token.text in (";", "$", "?", "{", "}", "\\", "'", '"', "`"):
        raise ExpressionError(f"holds {token.text!r}, which stands for nothing here, or opens what is not closed")
    if token.kind == "text" and token.text.endswith("\\'"):
        raise ExpressionError("has a text that ends in a backslash: take it out, or compare with LIKE")
    if token.kind == "number" and after.kind in ("word", "number", "name") and not after.space:
        raise ExpressionError(f"has {token.text}{after.text}, which is no number")


def _refuse_word(word: str, text: str, before: _Token, after: _Token, inside: str) -> None:
    """Refuse words that make an expression more than one about its row."""
    if word in _CLOCKS and (after.text == "(" or word not in ("now", "today")):
        raise ExpressionError(
            f"reads the clock ({text}): a row would have another value tomorrow. Compute with its own times"
        )
    if word in _QUERIES:
        raise ExpressionError(
            f"holds a query ({text}): an expression is about the columns of its own row. Declare a look-up"
        )
    if word == "from" and inside not in _WITH_FROM and before.word != "distinct":
        raise ExpressionError(
            "holds a query (FROM): an expression is about the columns of its own row. Declare a look-up"
        )
    if word == "over" or (after.text == "(" and word in _MANY_ROWS):
        raise ExpressionError(
            f"looks at other rows ({text}): it must depend on its own row only. Declare a window; of several values of one row, "
            "GREATEST and LEAST are the largest and the smallest"
        )
    if word in _EXACT_TYPES and (before.word == "as" or before.text == "::"):
        raise ExpressionError(f"casts to {text}, which loses digits and fails when divided by zero: cast to DOUBLE")
    if after.text == "(" and word not in FUNCTIONS | _BEFORE_PARENTHESIS and not _is_type(before):
        raise ExpressionError(
            f"calls {text}, which is not among the functions of one row: {', '.join(sorted(FUNCTIONS))}"
        )


def _is_type(before: _Token) -> bool:
    """Whether what follows is the type of a cast, `VARCHAR(10)`."""
    return before.word == "as" or before.text == "::"


def _written(tokens: Sequence[_Token], casts: Mapping[str, str]) -> str:
    """The expression with what polars would compute otherwise than it reads."""
    parts = [token.text for token in tokens]
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else _Token("", "")
        after = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if token.kind == "number" and "." in token.text and "e" not in token.text.lower():
            parts[i] = f"0{token.text}e0" if token.text.startswith(".") else f"{token.text.rstrip('.')}e0"
        elif token.kind in ("word", "name") and after != "(" and not _is_type(before):
            name = token.text if token.kind == "word" else token.text[1:-1]
            is_part = before.text == "(" and i > 1 and tokens[i - 2].word == "extract"
            is_typed_text = i + 1 < len(tokens) and tokens[i + 1].kind == "text"
            if name in casts and not is_part and not is_typed_text and after != ".":
                parts[i] = f'CAST("{name}" AS {casts[name]})'
        elif token.word in _SMALL_RESULTS and after == "(" and not _is_type(before):
            end = _closing(tokens, i + 1)
            part = tokens[i + 2].text.strip("'").lower() if i + 2 < end else ""
            if not (token.word in ("extract", "date_part") and part in _FRACTIONS):
                parts[i] = f"CAST({parts[i]}"
                parts[end] += " AS BIGINT)"
    return "".join(token.space + part for token, part in zip(tokens, parts, strict=True))


def _closing(tokens: Sequence[_Token], opening: int) -> int:
    """Where the parenthesis that opens there is closed; the last token where it is not, which polars refuses."""
    depth = 0
    for i in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[i].text, 0)
        if depth == 0:
            return i
    return len(tokens) - 1
