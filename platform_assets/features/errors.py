"""What can go wrong with features.

Belongs here: the error types of this package. Does not belong here: their messages, which are written where the fault
is found.
"""


class FeatureError(ValueError):
    """Features cannot be computed from what was given; the message names view, column and row count."""


class FunctionFailed(FeatureError):
    """A function that the declaration names raised, or returned something else than a number for each row."""


class PointInTimeError(FeatureError):
    """Rows and their features do not match one to one at the rows' point in time."""


class StateError(FeatureError):
    """The online store's state cannot be written or read as it should; the message names view and entity."""


class OlderState(StateError):
    """A state is older than the one in the online store, which stays."""


class DriverMissing(FeatureError):
    """The driver of a database that the settings name is not there; the message names it."""


class StoreLost(FeatureError):
    """The online store does not hold any more what was written to it; the message says what is seen, and the remedy."""
