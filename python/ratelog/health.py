"""How a limiter gets on with its server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Health:
    """A limiter's state at one moment."""

    state: Literal["closed", "open", "half-open"]
    """The circuit breaker's: `closed` while the server is asked. A limiter of this process alone is always closed."""
    since: datetime
    """Since when the server is there, or away."""
    backend: Literal["module", "script", "local"]
    """What answers checks while the breaker is closed."""
    on_failure: Literal["local", "allow", "deny"]
    """What becomes of checks while it is not."""
    last_error: str | None
    """The last error of a check or a probe, even if it is long over."""
    opened: int
    """How often the server went away."""
    tracks: bool
    """Whether the server tells of keys that anybody changes, so that the deny cache forgets them at once."""
    local_keys: int
    """Keys that the limiter in this process holds."""
    local_bytes: int
    """Bytes that they take."""
    evicted: int
    """Keys that it forgot for want of memory while they had units that counted."""

    @property
    def serving(self) -> bool:
        """Whether requests are served: false only while the server is away and `on_failure` is `deny`."""
        return self.state == "closed" or self.on_failure != "deny"

    def as_dict(self) -> dict[str, object]:
        """For JSON: `since` in ISO 8601."""
        return {**asdict(self), "since": self.since.isoformat(), "serving": self.serving}
