"""Further doors to the same answer, each a process of its own beside the target.

Belongs here: one module or package for each way in that is not HTTP. Does not belong here: scoring (`scoring.py`), or the routes
(`app.py`).
"""
