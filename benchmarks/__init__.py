"""Measurements that people run and compare; no test asserts them.

Belongs here: one folder for each topic, `common/` for what several need, and beside each the tests of its own arithmetic. Does not belong
here: tests of the platform, code that the platform uses, or what the platform's tests need too (`platform_assets/testing/`).
"""
