"""Entities with many events in their windows: what a look-up and a record cost, and the same values to the bit.

Belongs here: the topic and what it measures in a process of its own. Does not belong here: the online store in general (`online/`).
"""
