"""What several topics need: the machine, usage, simulated worlds, load, the deployed service, the report."""
