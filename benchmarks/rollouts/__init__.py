"""Rollouts of every strategy under load: requests, arms, log lines, and how fast an abort is."""
