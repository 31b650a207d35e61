"""Releases by git: proposing a promotion, and bringing ledger, alias, git and target to one truth.

Belongs here: the verbs. Does not belong here: the release file and git (`deployment/gitops/`), promoting and deploying themselves.
"""
