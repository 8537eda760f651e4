"""The checks of one request and their decisions."""

from __future__ import annotations

from functools import lru_cache
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from .._core import LimitSet
from ..check import empty, has_recorded, unrecorded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .._core import Decision, Limits
    from ..check import Check
    from .limit import RateLimit
    from .registry import Registry
    from .resolver import RequestLimits
    from .types import DenialHandler

EPOCH = "x-ratelimit-epoch"
"""The family of headers that has the reset as a time of day."""


class Denial:
    """A denied request: the checks that were denied, and the content of the response."""

    def __init__(self, state: RequestState, denied: Sequence[int]) -> None:
        """`denied` has the places of the denied checks among those of the request."""
        self.state = state
        self.checks: Sequence[Check] = tuple(state.checks[index] for index in denied)
        self.decisions: Sequence[Decision] = tuple(state.decisions[index] for index in denied)
        limits = [state.limits[index] for index in denied]
        handlers = [limit.on_denied for limit in limits if limit.on_denied is not None]
        self.handler: DenialHandler | None = handlers[0] if handlers else state.registry.denial_handler
        """Creates the response, if the program registered a function for this."""

    @property
    def retry_after_ms(self) -> int | None:
        """The wait until the request is not denied again for the same reason; `None` if it always is."""
        waits = [decision.retry_after_ms for decision in self.decisions]
        return None if None in waits else max(wait for wait in waits if wait is not None)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The rate limit headers of the response."""
        return self.state.headers()

    def problem(self) -> bytes:
        """The body of the response: problem details (RFC 9457)."""
        return self.state.problem()


class RequestState:
    """The state of one request, stored in its scope."""

    __slots__ = (
        "_checks",
        "_decisions",
        "_limits",
        "_places",
        "_rules",
        "_sent_at",
        "_unrecorded",
        "checked",
        "has_conditions",
        "is_denied",
        "is_exempt",
        "may_redirect",
        "registry",
        "request_limits",
        "scopes",
        "sends_headers",
    )

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.sends_headers = False
        """Whether the response gets the headers in any case: a middleware adds them, or they were added."""
        self.has_conditions = False
        """Whether the response decides if the request counts."""
        self.is_denied = False
        self.is_exempt = False
        self.may_redirect = False
        """Whether the response may be the router's redirect, which is not counted."""
        self.request_limits: RequestLimits | None = None
        self.checked: dict[RateLimit, Decision | None] = {}
        self.scopes: tuple[str, ...] = ()
        # One element for each decision.
        self._limits: list[RateLimit] = []
        self._checks: list[Check] = []
        self._decisions: list[Decision] = []
        self._sent_at: list[float] = []
        self._places: list[int] = []
        """The place of its limit in `_rules`."""
        self._rules: list[Limits] = []
        """The rules of all limits that were checked, also of those without a decision."""
        self._unrecorded: frozenset[int] = frozenset()
        """The places of the allowed checks that have recorded no units, or whose units were taken back."""

    @property
    def denial(self) -> Denial | None:
        """The denial, if a check was denied."""
        # Not stored: the denial refers to this state, and a cycle would be left to the garbage collector.
        if not self.is_denied:
            return None
        return Denial(self, [index for index, decision in enumerate(self._decisions) if not decision.allowed])

    @property
    def reset_keys(self) -> list[bytes]:
        """The keys of the checks that a reset of the request concerns: those of all limits but the default."""
        default = self.registry.configured.default
        pairs = zip(self._limits, self._checks, strict=True)
        return list(dict.fromkeys(check.key for limit, check in pairs if limit is not default))

    @property
    def checks(self) -> Sequence[Check]:
        """The checks that were made so far."""
        return self._checks

    @property
    def limits(self) -> Sequence[RateLimit]:
        """The limits of these checks."""
        return self._limits

    @property
    def decisions(self) -> Sequence[Decision]:
        """The decisions of these checks."""
        return self._decisions

    @property
    def conditional_limits(self) -> Sequence[RateLimit]:
        """The limits that have recorded units, which the response may give back."""
        return [limit for index, limit in enumerate(self._limits) if limit.has_condition and self._is_recorded(index)]

    def set_limits(self, limits: RequestLimits) -> None:
        """Stores the limits that a middleware resolved. The outermost middleware that knows the endpoint counts."""
        self.is_exempt = self.is_exempt or limits.exempt
        if limits.may_redirect:
            self.may_redirect = self.has_conditions = True
        if self.request_limits is None or self.request_limits.endpoint is None:
            self.request_limits = limits

    def record(
        self,
        limits: Sequence[RateLimit],
        checks: Sequence[Check],
        decisions: Sequence[Decision | None],
        sent_at: float,
    ) -> Sequence[tuple[Check, Decision]]:
        """Stores the decisions of a stage, whose checks were sent at `sent_at`, monotonic.

        If it denies, returns what the earlier stages recorded, to be taken back.
        """
        earlier = len(self._decisions)
        is_denied = False
        for limit, check, decision in zip(limits, checks, decisions, strict=False):
            self.checked[limit] = decision
            self._rules.append(check.limits)
            if decision is None:
                continue
            self._places.append(len(self._rules) - 1)
            self._limits.append(limit)
            self._checks.append(check)
            self._decisions.append(decision)
            self._sent_at.append(sent_at)
            if limit.has_condition:
                self.has_conditions = True
            if not decision.allowed:
                is_denied = True
                self.registry.log_denial(check, decision)
        if not is_denied:
            return ()
        self.is_denied = True
        # The checks of one stage are recorded all or none.
        self._unrecorded = self._unrecorded.union(range(earlier, len(self._decisions)))
        return self.unrecord(lambda _: True)

    def unrecord(self, selects: Callable[[RateLimit], bool]) -> Sequence[tuple[Check, Decision]]:
        """Marks the units that limits have recorded as taken back. Returns them, to be taken back.

        `selects` chooses the limits.
        """
        taken_back: list[tuple[Check, Decision]] = []
        for index, (limit, check, decision) in enumerate(zip(self._limits, self._checks, self._decisions, strict=True)):
            if self._is_recorded(index) and selects(limit):
                taken_back.append((check, decision))
                self._unrecorded |= {index}
                self._decisions[index] = self.checked[limit] = unrecorded(decision, check.cost)
        return taken_back

    def forget(self, keys: Collection[bytes]) -> None:
        """Marks the keys as empty, after a reset."""
        for index, (limit, check, decision) in enumerate(zip(self._limits, self._checks, self._decisions, strict=True)):
            if check.key in keys and decision.allowed:
                self._unrecorded |= {index}
                self._decisions[index] = self.checked[limit] = empty(decision)

    def _is_recorded(self, index: int) -> bool:
        """Whether a check has recorded units that were not taken back, and that are still in a window.

        A refund takes the newest units of a key: after the windows, those of other requests.
        """
        check, decision = self._checks[index], self._decisions[index]
        if index in self._unrecorded or not has_recorded(check, decision):
            return False
        if check.limits.policy is not None:
            # Its other windows are not known here.
            return True
        windows_ms = (decision.window_ms, *(window_ms for _, window_ms in check.limits.rules))
        return monotonic() - self._sent_at[index] < max(windows_ms) / 1000

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The rate limit headers for all decisions so far."""
        if not self._decisions:
            return []
        now = time() if self.registry.settings.headers == EPOCH else None
        return self._limit_set().headers(self._decisions_by_limit(), now)

    def problem(self) -> bytes:
        """Problem details (RFC 9457) with the names of the denied limits, as in the headers."""
        return self._limit_set().problem(self._decisions_by_limit())

    def _limit_set(self) -> LimitSet:
        # Of all limits, since the name of a limit depends on those before it.
        return _limit_set(tuple(self._rules), self.registry.settings.headers)

    def _decisions_by_limit(self) -> Sequence[Decision | None]:
        if len(self._decisions) == len(self._rules):
            return self._decisions
        decisions: list[Decision | None] = [None] * len(self._rules)
        for place, decision in zip(self._places, self._decisions, strict=True):
            decisions[place] = decision
        return decisions


@lru_cache(maxsize=1024)
def _limit_set(limits: tuple[Limits, ...], family: Any) -> LimitSet:
    return LimitSet(limits, family)
