"""Dagster resources: the connections that assets use, made from settings.

Belongs here: settings (the one reader of the environment) and thin resources around the stage packages. Does not
belong here: any logic about a use case.
"""
