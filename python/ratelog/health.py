"""The state of a limiter."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Health:
    """The state of a limiter at one moment."""

    state: Literal["closed", "open", "half-open"]
    """The circuit breaker's state; `closed` while the server is available. Always `closed` without a server."""
    since: datetime
    """When the server became available or unavailable."""
    backend: Literal["module", "script", "local"]
    """Decides checks while the breaker is closed."""
    fallback: Literal["local", "allow", "deny"]
    """Decides checks while the breaker is not closed."""
    last_error: str | None
    """The last error of a check or a probe, even after the server recovered."""
    opened: int
    """How often the breaker opened."""
    tracking: bool
    """Whether the server invalidates cached denials when a key changes (`CLIENT TRACKING`)."""
    local_keys: int
    """Keys in the limiter of this process."""
    local_bytes: int
    """Memory of these keys, in bytes."""
    evicted: int
    """Keys that the limiter of this process evicted while they had units that counted."""

    @property
    def serving(self) -> bool:
        """Whether requests are served. False only if the server is unavailable and `fallback` is `deny`."""
        return self.state == "closed" or self.fallback != "deny"

    def as_dict(self) -> dict[str, object]:
        """The fields for JSON, with `since` in ISO 8601."""
        return {**asdict(self), "since": self.since.isoformat(), "serving": self.serving}
