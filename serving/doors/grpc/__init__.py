"""gRPC: the Open Inference Protocol and each use case's typed service, in a process of its own beside the services.

Belongs here: gRPC in, the same use case's REST route out, and back. Does not belong here: scoring, or anything that a service's image
needs.

BentoML serves no gRPC for services of today's kind. A process that translates keeps one way to the answer: arms, weights, limits and the
prediction log are those of REST.
"""
