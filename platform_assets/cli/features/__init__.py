"""`platform-assets features`: values of features, the events that made them, and the event stream.

Belongs here: the commands and what they print. Does not belong here: computing features (`features/`).
"""
