"""The exceptions of Ratelog. If the server rejects a command, the exception of redis-py is raised unchanged."""

from __future__ import annotations


class RatelogError(Exception):
    """Base class of Ratelog's exceptions."""


class ConfigError(RatelogError, ValueError):
    """A setting is invalid. The message names the place, the key and the expected value."""


class NoPolicyError(RatelogError, LookupError):
    """The server does not know the policy; without a server, this process does not."""


class NeedsModuleError(RatelogError):
    """The operation needs the Ratelog module, which the server does not have."""


class UnavailableError(RatelogError):
    """The server is unavailable, and the operation needs it."""
