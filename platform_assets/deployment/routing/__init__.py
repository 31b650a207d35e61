"""How requests are led to versions, whatever carries them.

Belongs here: paths, headers and the program of an A/B test, as every target has them. Does not belong here: what one proxy or gateway is
told (`local/envoy_config/`, `kubernetes/routes/`).
"""
