"""Measurements that people run and compare; no test asserts them.

Belongs here: one module for each thing that is measured, printing JSON. Does not belong here: tests, or code that the platform uses.
"""
