"""`platform-assets alerts`: rules and routes as files.

Belongs here: the commands and what they print. Does not belong here: the rules (`monitoring/alerting`).
"""
