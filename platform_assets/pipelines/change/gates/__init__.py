"""The gates of a change: one object each, behind one Protocol (`base.py`), listed in `registry.py`.

Belongs here: what each gate finds. Does not belong here: letting a finding pass (`accepted_changes.py`), or printing.
"""
