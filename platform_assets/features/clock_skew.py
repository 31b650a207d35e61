"""How far ahead of this machine's clock an event may claim to be.

Belongs here: the one limit, for requests, recorded events and streams alike. Does not belong here: what happens to an event beyond it
(`serving/request.py`, `online/request_features.py`, `streaming/writer.py`). Imports nothing: a service's settings stand on it.

A state holds what the windows of its entity's newest event reach, so an event from the future pushes the real ones out.
"""

LONGEST_CLOCK_SKEW_SECONDS = 86_400.0
