"""What the platform tells Prometheus about itself, beside what each service says of its own requests (`serving/metrics.py`).

Belongs here: names, labels and meaning of these metrics, what each is read from, and answering a scrape. Does not belong here: alerts
on them (`alerting/`), or where the parts come from (`pipelines/platform_metrics.py`).
"""
