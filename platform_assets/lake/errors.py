"""What can go wrong with a lake table, each as a type a caller can tell apart.

Belongs here: exception types and the facts they carry. Does not belong here: the decision to raise one, and rules
about row content (`validation`). Every message says what is wrong, in which table, with counts, and what to do next.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class LakeError(Exception):
    """Any refusal of a lake table; catch this one to catch them all."""


class LakeTableMissing(LakeError):
    """The table was never written."""


class LakeVersionMissing(LakeError):
    """The version asked for was never made, or its files or log entry were removed since."""


class LakeDamaged(LakeError):
    """A table, or a file of it, is not what was written: removed, emptied, cut, or an older copy put back."""


class LakeFileDamaged(LakeDamaged, LakeVersionMissing):
    """A data file that would be read is gone, or is not as long as it was written."""


class LakeRangeError(LakeError):
    """Rows lie outside the partitions that the write announced."""


class LakeKeyError(LakeError):
    """The merge keys of a frame are null or not unique, so that the outcome would depend on luck."""


class EmptyWriteError(LakeError):
    """An empty frame was about to be written, which would silently delete what is there."""


class LakeConflictError(LakeError):
    """Other writers kept winning until the retries were used up; nothing was written."""


class LakeIdempotencyError(LakeError):
    """An idempotency key was used again for a different write."""


@dataclass(frozen=True)
class SchemaProblem:
    """One column that is not as declared.

    Attributes:
        column: Name of the column.
        expected: Declared type, or "absent" for a column that is not declared.
        actual: Type found, or "absent"; followed by a count where the values, not the type, are the trouble.
    """

    column: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"column {self.column!r}: expected {self.expected}, found {self.actual}"


class LakeSchemaError(LakeError):
    """A frame, a table or a declaration has columns that do not fit.

    Attributes:
        problems: Every column that does not fit, not only the first.
    """

    def __init__(self, message: str, problems: Sequence[SchemaProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, table: str, subject: str, problems: Sequence[SchemaProblem], next_step: str) -> "LakeSchemaError":
        """Build the error for `table` from its `problems`; `subject` says what does not fit, `next_step` what to do."""
        listed = "; ".join(str(problem) for problem in problems)
        return cls(f"{subject} {table}: {listed}. {next_step}", problems)
