"""Traces of requests, in OpenTelemetry's terms.

Belongs here: spans and how they leave the process. Does not belong here: what is traced (`app.py`, `scoring.py`, `runtime.py` name their
steps).
"""
