"""Feature tables and training sets: features of every event of a range of days.

Belongs here: what is computed over tables, each row as of its time. Does not belong here: a single request (`online/`), or where tables
are stored (`lake/`).
"""
