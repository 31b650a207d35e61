"""The gates: what a model has to prove before it is promoted.

Belongs here: judgements with their evidence. Does not belong here: the numbers they look at (`metrics/`), or what is declared of them
(`declaration/sections/gates.py`).
"""
