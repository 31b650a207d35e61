"""A test cluster in one process: the Kubernetes API from memory, controllers, and pods that are processes of this machine.

It is a stand-in for tests, not a cluster: no etcd, no containers, no network of its own, no admission beyond what its
modules name.
"""
