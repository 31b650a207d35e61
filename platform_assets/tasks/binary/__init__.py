"""What depends on a binary task: one of two classes.

Belongs here: one object, and what it is made of. Does not belong here: what every kind of task shares.
"""
