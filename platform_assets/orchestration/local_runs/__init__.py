"""Runs on this machine: each in a process of its own, whose death is noticed, named and followed by what its cause allows.

Belongs here: starting and watching such processes. Does not belong here: runs on a cluster (`orchestration/kubernetes/`), or which runs
there are to be.
"""
