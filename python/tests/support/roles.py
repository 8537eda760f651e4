"""The users of `redis.conf.example`."""

from __future__ import annotations

from .server import ROOT

_LINES = (ROOT / "redis.conf.example").read_text().splitlines()

USERS = {line.split()[2]: line.removeprefix("# ") for line in _LINES if line.startswith("# user ")}
"""The lines that define the users, by name."""


def password_of(user: str) -> str:
    """The example's password of a user."""
    (password,) = (word[1:] for word in USERS[user].split() if word.startswith(">"))
    return password
