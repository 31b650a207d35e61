"""`platform-assets run`: from sources to a watched service, doing only what is missing.

Belongs here: the journey, its replayed traffic and its last screen. Does not belong here: what a step does, or what is due
(`pipelines/due.py`).
"""
