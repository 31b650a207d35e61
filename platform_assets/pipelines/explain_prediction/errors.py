"""Why a prediction cannot be explained.

Belongs here: the errors. Does not belong here: finding out (the modules that raise them).
"""


class NotExplained(RuntimeError):
    """A prediction cannot be explained; the message says what is missing, since when, and what to do."""
