"""What a commit means for the use cases: what it changes, and whether it keeps the gates.

Belongs here: two checkouts, what each declares, what differs, the gates of a change, the comment. Does not belong here: reading definitions
(`orchestration/described_definitions.py`), printing (`cli/change.py`), or CI files (`deploy/ci/`).
"""
