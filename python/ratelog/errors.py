"""The exceptions of Ratelog. If the server rejects a command, the exception of redis-py is raised unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import Decision


class RatelogError(Exception):
    """Base class of Ratelog's exceptions."""


class ConfigError(RatelogError, ValueError):
    """A setting is invalid. The message names the place, the key and the expected value."""


class NoPolicyError(RatelogError, LookupError):
    """The server does not know the policy; without a server, this process does not."""


class NeedsModuleError(RatelogError):
    """The operation needs the Ratelog module, which the server does not have."""


class DeniedError(RatelogError):
    """A check was denied."""

    def __init__(self, decision: Decision) -> None:
        wait = decision.retry_after_ms
        when = "and no wait changes that" if wait is None else f"it may be allowed after {wait / 1000:g} s"
        super().__init__(f"the limit of {decision.limit} in {decision.window_ms / 1000:g} s denies the check; {when}")
        self.decision = decision
        """The decision, with `retry_after_ms`."""


class UnavailableError(RatelogError):
    """The server is unavailable, and the operation needs it."""
