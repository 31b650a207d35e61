"""What is measured on scored rows, and how sure it is.

Belongs here: plain functions from labels and predictions to numbers. Does not belong here: whether a number is good enough
(`gates/`).
"""
