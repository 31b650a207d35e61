"""Search over a learner's settings.

Belongs here: what is asked of a search engine, and the engine of one machine. Does not belong here: the engine of a cluster
(`distributed/`), or what a declaration says of a search (`declaration/sections/search.py`).
"""
