"""What can go wrong when a model is written for another server.

Belongs here: that error. Does not belong here: errors of our own format (`artifact.py`).
"""


class NotPortable(ValueError):
    """A model that cannot be written in a format so that it scores the same there; the message says why and what can."""
