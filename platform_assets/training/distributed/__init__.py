"""Training and search that outgrow one process or one machine, by settings alone.

Belongs here: how a network is fitted by several processes (torch's own launcher here, Ray Train on a cluster), and the engine that
runs the trials of a search on a cluster (Ray Tune). Does not belong here: networks and their training loop (`learners.neural`),
what a trial is and what settings are proposed next (`search*`), deciding where a process runs (torchrun and Ray do).

Ray is optional (`pip install platform-assets[ray]`) and imported by functions only.
"""
