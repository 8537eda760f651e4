"""What a limiter tells of itself: one log line each, and the same to hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import Decision
    from .check import Check

logger = logging.getLogger("ratelog")


@dataclass(frozen=True)
class Checked:
    """A request was checked. `decisions` go with `checks`; `None` where a remembered denial of another was enough."""

    checks: Sequence[Check]
    decisions: Sequence[Decision | None]
    seconds: float

    @property
    def allowed(self) -> bool:
        """Whether none of the checks was denied."""
        return all(decision is None or decision.allowed for decision in self.decisions)


@dataclass(frozen=True)
class WentAway:
    """The server is away: checks are answered as `on_failure` says."""

    error: str
    on_failure: str


@dataclass(frozen=True)
class CameBack:
    """The server is there again, after so many seconds; it is asked by the `module`'s commands or by the `script`."""

    away: float
    backend: str


@dataclass(frozen=True)
class Reloaded:
    """The settings were read again."""

    source: str


Event = Checked | WentAway | CameBack | Reloaded
Hook = Callable[[Event], object]


class Announcer:
    """Tells the log and the hooks. A hook that raises is logged and does no harm."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self._hooks = tuple(hooks)

    @property
    def has_hooks(self) -> bool:
        """Whether anybody wants to hear of each check."""
        return bool(self._hooks)

    def checked(self, event: Checked) -> None:
        """To the hooks alone: the log hears of denials where a request is refused."""
        self._tell(event)

    def state(self, event: WentAway | CameBack | Reloaded) -> None:
        """To the log and the hooks: `server_away error=... on_failure=...`, and the fields in the record's
        `ratelog`."""
        name = {WentAway: "server_away", CameBack: "server_back", Reloaded: "reloaded"}[type(event)]
        fields = asdict(event)
        text = " ".join(f"{key}={value!r}" for key, value in fields.items())
        level = logging.WARNING if isinstance(event, WentAway) else logging.INFO
        logger.log(level, "%s %s", name, text, extra={"ratelog": {"event": name, **fields}})
        self._tell(event)

    def _tell(self, event: Event) -> None:
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("a hook of the limiter failed")
