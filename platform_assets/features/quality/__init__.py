"""Statistical validation of features: what each looks like, whether it stays so, and whether it knows too much.

Belongs here: profiles of features and their picture. Does not belong here: profiles of sources (`validation/`).
"""
