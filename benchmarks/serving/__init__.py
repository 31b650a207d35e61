"""Latency beside bare FastAPI, redeployment under load."""
