"""The local target: services as supervised processes on this machine, behind Envoy on one address.

Belongs here: everything that is true only of processes on one machine.
Does not belong here: what a release or a rollout is (one level up), and every other kind of target.
"""

from platform_assets.deployment.local.target import LocalTarget

__all__ = ["LocalTarget"]
