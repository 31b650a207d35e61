"""Monitoring: what the running model saw and answered, and whether it is still the model that was released.

Belongs here: reading the service's prediction log, drift of its columns, quality once labels have arrived, latency, the
pages and plots that show them, and the verdict that asks for a new model. Does not belong here: writing the log
(`serving`), metrics (`evaluation`), storing tables (`lake`), starting a training run (`automation`), and anything that
knows dagster.

Every result here either passed or did not: a comparison that could not be made counts as failed.
"""
