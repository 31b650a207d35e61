"""The sections of a `defs.yaml`, one module for each.

Belongs here: what a team may write in one section, with the limits that the section alone can tell. Does not belong here: what has to
fit together across sections (`checks/`), and the requirement as a whole (`use_case.py`).
"""
