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
    unanswered: int
    """Checks that the server did not answer in time while the circuit was closed. The fallback decided them."""
    problems: tuple[str, ...]
    """Mistakes of configuration that were found in the last five minutes, such as a policy that does not exist."""

    @property
    def serving(self) -> bool:
        """Whether requests are served. False only if the server is unavailable and `fallback` is `deny`."""
        return self.state == "closed" or self.fallback != "deny"

    def as_dict(self) -> dict[str, object]:
        """The fields for JSON, with `since` in ISO 8601."""
        since = self.since.isoformat()
        return {**asdict(self), "problems": list(self.problems), "since": since, "serving": self.serving}
