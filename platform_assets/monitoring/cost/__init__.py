"""What work costs: quantities that were measured, prices from a versioned sheet, and what the two say together.

Belongs here: usage as plain values, price sheets, attribution, cost of predictions. Does not belong here: measuring steps
(`orchestration/measured_steps.py`), reading processes and tables (`pipelines/record_usage.py`), or printing.
"""
