"""Clients that wait as long as they are told: what `ratelog.httpx`, `ratelog.httpx2` and `ratelog.requests` share."""
