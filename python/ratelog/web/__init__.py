"""Requests: what limits are on them, under what key they count, and what their responses tell."""
