"""Conformance with the Open Inference Protocol, version 2: checks that run against any server of it."""
