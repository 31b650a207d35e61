"""The local target: services as supervised processes on this machine, behind Envoy on one address.

Put here: everything that is true only of processes on one machine.
Keep out: what a release or a rollout is (one level up), and every other kind of target.
"""

from platform_assets.deployment.local.target import LocalTarget

__all__ = ["LocalTarget"]
