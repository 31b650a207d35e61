"""The drift report: one page for each window, the worst column first, with the windows before it.

Belongs here: what a reader sees of a verdict on drift. Does not belong here: reaching it (`monitoring/drift.py`), Evidently's report
(`monitoring/evidently_report.py`).
"""
