"""The Kubernetes target: services as Deployments of a cluster, behind the routes of its gateway.

Belongs here: everything that is true only of a cluster.
Does not belong here: what a release or a rollout is (one level up), and every other kind of target.
"""
