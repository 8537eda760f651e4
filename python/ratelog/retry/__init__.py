"""Retries for HTTP clients. `ratelog.httpx`, `ratelog.httpx2` and `ratelog.requests` share this package."""
