"""The GitOps repository: one file for each use case and environment that says which release serves.

Belongs here: the file, git, pull requests. Does not belong here: promoting, deploying, or who is right when two disagree
(`pipelines/gitops/`).
"""
