"""Limits on requests: which limits apply to a request, its key, and the headers of its response."""
