"""The event stream: events become part of the online store within a second.

Belongs here: where events come from, where the stream stands, and writing what they change. Does not belong here: what a state is
(`online/`).
"""
