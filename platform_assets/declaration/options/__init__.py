"""Tools that a use case chooses by name: what each choice may say, which values are refused, and which keys belong to a value alone.

Belongs here: the lists, one object for each value, and their checks. Does not belong here: what carries a choice out (trackers, feature
stores, serving platforms, exports, alert stacks), or what an installation sets.
"""
