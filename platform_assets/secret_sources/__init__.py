"""Where credentials come from: the environment, files, Vault, the secret managers of clouds, Kubernetes.

Belongs here: the interface of a source, its members, and keeping what was read fresh. Does not belong here: what a credential is for
(whoever uses it knows), or the setting that names the source (`settings.py`).
"""
