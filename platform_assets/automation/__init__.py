"""What starts work without a person: jobs, schedules and sensors.

Belongs here: triggers. Does not belong here: what they start (`assets/`), or the conditions that stand on the
assets themselves (`assets/conditions.py`).
"""
