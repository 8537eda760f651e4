"""Connections of redis-py. This is the only part that differs between the asynchronous and the synchronous limiter."""
