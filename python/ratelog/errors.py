"""What Ratelog raises. What redis-py raises of a command that the server refuses is passed on as it is."""

from __future__ import annotations


class RatelogError(Exception):
    """Any error of Ratelog's own."""


class ConfigError(RatelogError, ValueError):
    """A setting is wrong. The text names where it was set, its key, and what was expected."""


class NoPolicyError(RatelogError, LookupError):
    """A policy is not known: to the server, or, while that is away, to this process."""


class NeedsModuleError(RatelogError):
    """The server has no Ratelog module, and the script cannot do this."""


class UnavailableError(RatelogError):
    """The server is away, and what was asked cannot be answered without it."""
