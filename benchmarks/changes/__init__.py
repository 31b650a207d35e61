"""The gates of a change: planted changes to a small repository.

Belongs here: counting. Does not belong here: the changes (`platform_assets/testing/planted_changes.py`), the gates (`pipelines/change/`).
"""
