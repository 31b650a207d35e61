"""A large table scored part by part: rows a second against the bare model, memory, and kills.

Belongs here: the table, the two ways, what is counted. Does not belong here: predicting (`pipelines/predict_table.py`).
"""
