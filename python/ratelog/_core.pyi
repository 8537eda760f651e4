"""Rust code that this package shares with Ratelog's Rust client.

Names that end in `_ms` are whole milliseconds; other times are seconds as `float`. Keys are bytes; a `str` is encoded
as UTF-8. Nothing here does I/O. Only `LocalLimiter`, `Breaker` and `DenyCache` read a clock, and it is monotonic.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, final

from typing_extensions import Self

__version__: Final[str]

DEFAULT_MAX_BYTES: Final[int]

HeaderFamily: TypeAlias = Literal["draft-11", "x-ratelimit", "x-ratelimit-epoch", "both", "none"]
ProxyHeader: TypeAlias = Literal[
    "x-forwarded-for", "forwarded", "cf-connecting-ip", "x-real-ip", "true-client-ip", "fly-client-ip"
]
Source: TypeAlias = Literal["module", "script", "local", "deny-cache", "fallback"]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

@final
class Limits:
    """The rules of a check, or the name of a policy that the server stores. Immutable.

    A window is a unit or a number of units: `ms`, `s`, `m`, `h`, `d`, `w`, or a word such as `minute` or `weeks`. `;`,
    `,` or `|` separates rules. A limit of 0 denies every check.

    >>> Limits("10/second; 1000/hour").rules
    ((10, 1000), (1000, 3600000))

    Raises:
        ValueError: the text does not parse (the error shows it with a caret), or `names` does not have one name per
            rule, or a name cannot appear in an HTTP header.
    """

    def __new__(cls, rules: str, *, names: Sequence[str] | None = None) -> Self: ...
    @staticmethod
    def of_policy(name: str) -> Limits:
        """The rules that the server stores under `name`. Raises `ValueError` for an invalid name."""
    @staticmethod
    def of_rules(rules: Sequence[tuple[int, int]]) -> Limits:
        """Rules from pairs of limit (units) and window (ms). Raises `ValueError` for an invalid rule."""
    @staticmethod
    def paced(rule: str) -> Limits:
        """The rule that spreads the units of `rule` evenly: `1/200ms` for `5/second`.

        Raises `ValueError` if the text is no rule, and for a limit of 0.
        """
    @property
    def policy(self) -> str | None:
        """The policy's name; `None` for rules."""
    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        """Limit (units) and window (ms) of each rule; empty for a policy."""
    @property
    def args(self) -> tuple[str, ...]:
        """Arguments of `RL.CHECK` after the key: `("10", "1000ms", "1000", "3600000ms")` or `("POLICY", "login")`."""
    @property
    def script_args(self) -> tuple[str, ...]:
        """Arguments of the Lua script: the number of rules, then each limit and window (ms). Empty for a policy."""
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    def __str__(self) -> str:
        """Text that parses to the same limits, such as `10/second; 1000/hour`; a policy's name for a policy."""

@final
class Decision:
    """The outcome of a check, as its binding rule has it. Immutable, and true if the check is allowed.

    Decisions for different keys are equal if all other fields are.
    """

    def __new__(
        cls,
        allowed: bool,
        limit: int,
        remaining: int,
        retry_after_ms: int | None,
        reset_after_ms: int,
        window_ms: int,
        source: Source = "module",
        key: str | bytes | None = None,
    ) -> Self: ...
    @staticmethod
    def from_reply(reply: object, source: Source, key: str | bytes | None = None) -> Decision:
        """Reads the six integers of a server's reply. Raises `ValueError` for any other reply."""
    @property
    def allowed(self) -> bool: ...
    @property
    def limit(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def retry_after_ms(self) -> int | None:
        """The wait until the same check is allowed if nothing else is recorded; `None` if it never is."""
    @property
    def reset_after_ms(self) -> int: ...
    @property
    def window_ms(self) -> int: ...
    @property
    def source(self) -> Source: ...
    @property
    def key(self) -> bytes | None:
        """The key that the decision is for; `None` if it is unknown."""
    def unenforced(self) -> Decision:
        """The same decision, but allowed: the outcome under a shadow policy."""
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

def fallback_decision(
    allow: bool, limits: Limits | None, cost: int, retry_after_ms: int, key: str | bytes | None = None
) -> Decision:
    """A decision made without a log, with source `fallback`. Pass `None` for unknown limits."""

@final
class ManualClock:
    """A clock that stands still until it is set, for tests."""

    def __new__(cls, now_ms: int) -> Self:
        """`now_ms` is Unix time."""
    def set(self, since_start_ms: int) -> None: ...

@final
class LocalLimiter:
    """An exact limiter in this process, with bounded memory. Thread-safe.

    Decides as the server's module does, to the millisecond. If `instances` processes share each limit, each one grants
    limit // instances units, and at least one unless the limit is 0. Tests pass `now_ms`, Unix time, in place of the
    clock.

    Raises:
        ValueError: a cost is not from 1 to 1,000,000, or the limits name a policy.
    """

    def __new__(cls, max_bytes: int = ..., *, instances: int = 1, clock: ManualClock | None = None) -> Self: ...
    def check(self, key: str | bytes, limits: Limits, cost: int = 1, *, now_ms: int | None = None) -> Decision: ...
    def peek(self, key: str | bytes, limits: Limits, cost: int = 1, *, now_ms: int | None = None) -> Decision: ...
    def mcheck(
        self, checks: Sequence[tuple[str | bytes, Limits]], cost: int = 1, *, now_ms: int | None = None
    ) -> list[Decision]:
        """Checks all keys or none. Returns one decision per key, in order."""
    def refund(self, key: str | bytes, cost: int = 1, *, now_ms: int | None = None) -> int: ...
    def reset(self, key: str | bytes, *, now_ms: int | None = None) -> int: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def evicted(self) -> int: ...

@final
class Policies:
    """Policies that this process knows: from the settings, or fetched from the server."""

    def __new__(cls, policies: Mapping[str, Limits] = ..., *, clock: ManualClock | None = None) -> Self:
        """Raises `ValueError` for an invalid name, and for limits that name a policy themselves."""
    def should_fetch(self, name: str) -> bool:
        """Whether to fetch the policy from the server now; true once per refresh interval."""
    def insert(self, name: str, rules: Sequence[tuple[int, int]] | None, shadow: bool) -> None:
        """Stores a policy: limit (units) and window (ms) of each rule; `None` if the server has no such policy."""
    def fetch_failed(self, name: str) -> None:
        """Reports that a fetch failed, so the policy is fetched again when it is used next."""
    def resolve(self, limits: Limits) -> tuple[Limits, bool]:
        """The rules to apply, and whether they are a shadow policy's. Raises `LookupError` for an unknown policy."""

@final
class Breaker:
    """The circuit breaker of one server. Starts open."""

    def __new__(cls, failure_threshold: int) -> Self: ...
    @property
    def is_closed(self) -> bool: ...
    def record_success(self) -> None: ...
    def record_failure(self, error: str, connection_lost: bool) -> bool:
        """Counts a failed check; a lost connection opens the breaker at once. Returns whether this opened it."""
    def begin_probe(self) -> None: ...
    def record_probe_failure(self, error: str) -> None: ...
    def record_recovery(self) -> None: ...
    @property
    def state(self) -> Literal["closed", "open", "half-open"]: ...
    @property
    def since(self) -> float:
        """Unix time (s) since which the server has been available or unavailable."""
    @property
    def last_error(self) -> str | None: ...
    @property
    def opened(self) -> int: ...

@final
class KeyVersion: ...

@final
class DenyCache:
    """Denials that are still valid, for at most `capacity` keys."""

    def __new__(cls, capacity: int, *, clock: ManualClock | None = None) -> Self: ...
    def get(self, key: bytes, limits: Limits, cost: int) -> Decision | None: ...
    def version(self, key: bytes) -> KeyVersion:
        """The key's version. Read it before you query the server, and pass it to `insert`."""
    def insert(self, key: bytes, limits: Limits, cost: int, decision: Decision, version: KeyVersion) -> None:
        """Caches a denial, unless the key was invalidated since `version` was read."""
    def begin_fetch(self, key: bytes, limits: Limits, cost: int) -> bool:
        """Whether to fetch the denial now: it is not cached, and no other fetch of the key is in progress."""
    def end_fetch(self, key: bytes) -> None: ...
    def invalidate(self, key: bytes) -> None: ...
    def invalidate_all(self) -> None: ...

@final
class ProbeBackoff:
    """Seconds to wait before each probe of an unavailable server: growing, jittered, endless."""

    def __new__(cls, min_interval: float, max_interval: float) -> Self: ...
    def __next__(self) -> float: ...
    def __iter__(self) -> Self: ...

def failure_kind(message: str) -> Literal["transient", "connection-lost"] | None:
    """Classifies a server's error by its text; `None` if the server rejects the command itself."""

def hash_slot(key: str | bytes) -> int:
    """The hash slot of a key in a cluster, from 0 to 16,383."""

@final
class ShardMap:
    """The node that owns each hash slot of a cluster. A node is named by its address, `host:port`. Thread-safe."""

    def __new__(cls, ranges: Sequence[tuple[int, int, str]] = ()) -> Self:
        """Each range has its first and its last slot, and its owner. Slots over 16,383 are ignored."""
    def of_key(self, key: str | bytes) -> str | None:
        """The owner of the key's slot; `None` if no node owns it."""
    def of_slot(self, slot: int) -> str | None:
        """The owner of a slot; `None` if no node owns it."""
    def slots_of(self, address: str) -> list[int]:
        """The slots that a node owns, in ascending order."""
    def set_owner(self, slot: int, address: str) -> bool:
        """Makes a node the owner of a slot. Returns whether it was not before."""
    def addresses(self) -> list[str]:
        """All nodes, in the order in which they were added."""
    def has_same_owners(self, other: ShardMap) -> bool:
        """Whether every slot has the same owner in both maps."""

SCRIPT: Final[str]
SCRIPT_SUFFIX: Final[str]

@final
class LimitSet:
    """The limits that the responses of an endpoint report. Immutable."""

    def __new__(cls, limits: Sequence[Limits], family: HeaderFamily = "draft-11") -> Self: ...
    def headers(self, decisions: Sequence[Decision | None], now: float | None = None) -> list[tuple[bytes, bytes]]:
        """The rate limit headers of a response, names in lower case. Takes one decision per limit, `None` without one.

        `now` is Unix time (s). Only the family `x-ratelimit-epoch` needs it, and raises `ValueError` without it.
        """
    def problem(self, decisions: Sequence[Decision | None]) -> bytes:
        """The body of a denied request: problem details (RFC 9457). Takes the same decisions as `headers`."""

@final
class TrustedProxies:
    """Proxies that are trusted to report the client's address in one header.

    A list (`x-forwarded-for`, `forwarded`) is read from the right, up to the first address that is not a trusted proxy.
    Other headers hold the client's address; the client is the peer if there are several lines, or no valid address.

    Raises:
        ValueError: a text is neither a network nor an address, or the header is unknown.
    """

    def __new__(cls, networks: Sequence[str], header: ProxyHeader = ...) -> Self: ...
    def client_address(self, peer: str | None, headers: Headers) -> str | None:
        """The client's address; for IPv6 its /64 network, such as `2001:db8:0:1::/64`.

        `None` if `peer` is no address and the header has none. A `peer` of `None` (a Unix socket) is trusted if
        "unix" is among the networks.
        """

@final
class RetryHint:
    """The retry information in a response's headers. Malformed headers are ignored."""

    @staticmethod
    def from_headers(headers: Headers, now: float) -> RetryHint:
        """Reads the headers. `now` is Unix time (s), for headers with a date."""
    @property
    def retry_after(self) -> float | None: ...
    @property
    def remaining(self) -> int | None: ...
    @property
    def exhausted_for(self) -> float | None: ...
    @property
    def wait(self) -> float | None: ...

@final
class RetryPolicy:
    """How often, and for how long, a request is tried. Times in seconds. Raises `ValueError` for a negative time.

    By default, a wait that the server gives is bounded by `max_total` (60) only. If it gives none, waits grow from
    `base` (0.1) by `factor` (2) up to 30, and there are at most 4 retries.
    """

    def __new__(
        cls,
        *,
        max_attempts: int = ...,
        max_total: float = ...,
        max_single_wait: float = ...,
        base: float = ...,
        factor: float = ...,
    ) -> Self: ...

@final
class Backoff:
    """The waits between the attempts of one request."""

    def __new__(cls, policy: RetryPolicy, method: str, headers: Headers, idempotent: bool | None = None) -> Self:
        """`idempotent` overrides what the method and the headers imply."""
    @staticmethod
    def of_checks(max_total: float) -> Backoff:
        """The waits between the checks of one caller, for at most `max_total` seconds."""
    def after_denial(self, retry_after_ms: int | None, elapsed: float) -> float | None:
        """Seconds to wait before the next check; `None` if this denial is final."""
    def after_response(self, status: int, headers: Headers, now: float, elapsed: float) -> float | None:
        """Seconds to wait before the next attempt; `None` if this response is final."""
    def after_error(self, may_have_arrived: bool, elapsed: float) -> float | None:
        """Seconds to wait before the next attempt; `None` if this error is final."""

@final
class ThrottleState:
    """Client-side throttle for requests that share a limit. Times are seconds on one monotonic clock."""

    def __new__(cls) -> Self: ...
    def try_acquire(self, now: float, deadline: float) -> float | None:
        """Starts a request and returns 0.0 if it may be sent now.

        Otherwise returns the seconds to wait before you try again; `None` means until another request ends. A request
        is never held back beyond `deadline`.
        """
    def on_response(self, denied: bool, hint: RetryHint, now: float, max_wait: float) -> None:
        """Records the response to a request that was started. A wait longer than `max_wait` holds nothing back."""
    def release(self) -> None:
        """Ends a request that was started."""
