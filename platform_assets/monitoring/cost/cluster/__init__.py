"""What pods used, as a cluster says it.

Belongs here: reading answers of programs that watch a cluster, one file each, and making rows of usage of them. Does not belong here:
fetching and storing (`pipelines/record_cluster_usage.py`), or prices.

A cluster is paid for what pods reserve; what they used is what is charged here, as everywhere, and the rest of it is idle.
"""
