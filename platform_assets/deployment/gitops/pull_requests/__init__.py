"""How a pushed branch becomes something that people review: one module for each kind.

Belongs here: the kinds. Does not belong here: git (`git_repository.py`).
"""
