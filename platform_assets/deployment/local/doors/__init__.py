"""The doors of a target that no single service can be: gRPC, the metrics of all processes, and the health of the whole.

Belongs here: one process beside the services, asked through the proxy. Does not belong here: the gRPC server itself
(`serving/doors/grpc/`), and which paths lead here (`envoy_config/doors.py`).
"""
