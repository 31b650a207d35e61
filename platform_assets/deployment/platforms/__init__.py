"""Packages for other serving platforms: KServe, Seldon Core, Triton.

Belongs here: what a platform reads, made of a model of ours. Does not belong here: the model's own formats (`training/portable`), our
Bento (`deployment/packaging`), and deploying anything: what is written here is applied by who runs that platform.
"""
