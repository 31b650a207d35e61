"""Backups of an installation, and the way back: what is copied, how it stays whole, and what is put back.

Belongs here: chunks by content, manifests, files of lake and home, databases, retention, restoring. Does not belong here: which
installation is meant (`pipelines/back_up.py`, `pipelines/restore.py`), starting services, anything of Dagster.
"""
