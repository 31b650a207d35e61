"""From a cause to the pager: how long each alert takes.

Belongs here: the measurement and its report. Does not belong here: whether alerts fire rightly (tests).
"""
