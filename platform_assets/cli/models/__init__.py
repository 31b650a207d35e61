"""`platform-assets models`: versions, comparison, promotion, rollback, reproduction, and the ledger.

Belongs here: the commands and what they print. Does not belong here: moving a champion (`registry/`).
"""
