"""The request path beside the commit before and bare FastAPI."""
