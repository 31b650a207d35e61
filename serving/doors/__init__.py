"""Further doors to the same answer: other protocols, and pages about a service.

Belongs here: what a protocol calls inputs, outputs and errors. Does not belong here: scoring (`scoring.py`), which every door leaves to
`app.py` and what is below it, so that an answer has the same bits whatever door it comes through.
"""
