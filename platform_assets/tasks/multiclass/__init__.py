"""What depends on a multi-class task: one of several classes.

Belongs here: one object, and what it is made of. Does not belong here: what every kind of task shares.
"""
