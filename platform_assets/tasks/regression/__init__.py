"""What depends on a regression: a value.

Belongs here: one object, and what it is made of. Does not belong here: what every kind of task shares.
"""
