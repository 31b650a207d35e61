"""Quality before labels: what it is likely to be, whether that may be believed, and where requests moved.

Belongs here: estimates and their belief, from plain arrays and frames. Does not belong here: labels that a kind of task expects
(`tasks/outcomes`), reading and storing (`pipelines/estimate_quality.py`).
"""
