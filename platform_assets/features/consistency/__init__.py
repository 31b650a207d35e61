"""Whether served and offline values agree, and why a value is what it is.

Belongs here: parity, replay and explanation. Does not belong here: computing features (`offline/`, `online/`).
"""
