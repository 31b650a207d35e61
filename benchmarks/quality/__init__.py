"""Learners on the handbook's protocol and in other worlds."""
