"""The service: what runs in the image and answers requests.

Belongs here: reading a packed release, checking requests, looking features up, scoring, the prediction log, and the
BentoML service around them. Does not belong here: building the Bento (`platform_assets/deployment/packaging/`), computing
features (`platform_assets/features/`), anything that knows dagster.

Imports from the platform only `declaration`, `tasks`, `features` and what loads a saved model: all of it is packed into the image.
"""
