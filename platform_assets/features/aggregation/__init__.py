"""Window aggregates: what is planned, the one kernel that computes them, and its compiled loops.

Belongs here: from events in order of time to the values of windows. Does not belong here: reading events (`offline/`, `online/`).
"""
