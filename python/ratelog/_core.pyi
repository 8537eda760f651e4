"""What is shared with Ratelog's Rust client: the log, the decision, and what every caller of a server needs besides.

Times are whole milliseconds where a name ends in `_ms`, and seconds as `float` elsewhere. Keys are bytes; a `str` is
taken as UTF-8. Nothing here does I/O, and nothing reads a clock but `LocalLimiter`, `Breaker` and `Denials`, which
count time by a clock that is never set.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, final

from typing_extensions import Self

__version__: Final[str]

DEFAULT_MAX_BYTES: Final[int]

Family: TypeAlias = Literal["draft-11", "x-ratelimit", "both", "none"]
Source: TypeAlias = Literal["module", "script", "local", "deny-cache", "fallback"]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

@final
class Limits:
    """The rules of a check, or the name of a policy that the server keeps; immutable.

    >>> Limits("10/second; 1000/hour").rules
    ((10, 1000), (1000, 3600000))

    Raises `ValueError` for a text that is no rules, with the text and a caret below the place; for `names` that are not
    one to each rule, or that cannot stand in an HTTP field.
    """

    def __new__(cls, rules: str, *, names: Sequence[str] | None = None) -> Self: ...
    @staticmethod
    def of_policy(name: str) -> Limits:
        """The rules that the server keeps under `name`. Raises `ValueError` for a text that is no policy's name."""
    @staticmethod
    def of_rules(rules: Sequence[tuple[int, int]]) -> Limits:
        """Rules as pairs of limit (units) and window (ms). Raises `ValueError` for what no rule can be."""
    @property
    def policy(self) -> str | None:
        """The policy's name, if these are the rules of one."""
    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        """Limit (units) and window (ms) of each rule; empty for a policy."""
    @property
    def words(self) -> tuple[str, ...]:
        """What stands behind the key in `RL.CHECK`: `("10", "1000ms", "1000", "3600000ms")` or `("POLICY",
        "login")`."""
    @property
    def script_words(self) -> tuple[str, ...]:
        """The same for the script: how many rules, and each one's limit and window (ms). Empty for a policy."""
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    def __str__(self) -> str:
        """As text that gives the same limits: `10/second; 1000/hour`; for a policy its name."""

@final
class Decision:
    """The outcome of a check, speaking of its binding rule; immutable. True if it is allowed."""

    def __new__(
        cls,
        allowed: bool,
        limit: int,
        remaining: int,
        retry_after_ms: int | None,
        reset_after_ms: int,
        window_ms: int,
        source: Source = "module",
    ) -> Self: ...
    @staticmethod
    def read(reply: object, source: Source) -> Decision:
        """A server's six integers. Raises `ValueError` for anything else."""
    @property
    def allowed(self) -> bool: ...
    @property
    def limit(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def retry_after_ms(self) -> int | None:
        """How long to wait until the same check passes, if nothing else is recorded; `None`: it never will."""
    @property
    def reset_after_ms(self) -> int: ...
    @property
    def window_ms(self) -> int: ...
    @property
    def source(self) -> Source: ...
    def unenforced(self) -> Decision:
        """The same, but allowed: what a shadow policy makes of it."""
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

def granted(allow: bool, limits: Limits | None, cost: int, wait_ms: int) -> Decision:
    """A decision without a log, of source `fallback`. `limits` are rules, or `None` where none are known."""

@final
class LocalLimiter:
    """Exact limits of this process alone, bounded in memory; for any number of threads.

    Decides as the server's module does, to the millisecond. `instances` processes share each limit: this one grants
    limit // instances, and at least one unit. `now_ms` stands for the clock, as Unix time, where a test needs that.

    Raises `ValueError` for a cost that is not from 1 to 1,000,000, and for limits that are a policy's.
    """

    def __new__(cls, max_bytes: int = ..., *, instances: int = 1) -> Self: ...
    def check(self, key: str | bytes, limits: Limits, cost: int = 1, *, now_ms: int | None = None) -> Decision: ...
    def peek(self, key: str | bytes, limits: Limits, cost: int = 1, *, now_ms: int | None = None) -> Decision: ...
    def mcheck(
        self, checks: Sequence[tuple[str | bytes, Limits]], cost: int = 1, *, now_ms: int | None = None
    ) -> list[Decision]:
        """All keys or none: a decision for each of them, in their order."""
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
    """The rules of policies that this process knows: given, or learnt from the server."""

    def __new__(cls, given: Mapping[str, Limits] = ...) -> Self:
        """Raises `ValueError` for a name that cannot be a policy's, and for limits that are a policy's themselves."""
    def wants(self, name: str) -> bool:
        """Whether the server is to be asked for it; says so once a while."""
    def learn(self, name: str, rules: Sequence[tuple[int, int]] | None, shadow: bool) -> None:
        """What the server answered: limit (units) and window (ms) of each rule; `None` if it has no such policy."""
    def terms(self, limits: Limits) -> tuple[Limits, bool]:
        """The rules that decide, and whether they only look on (a shadow policy). Raises `LookupError` for a policy
        that is not known here."""

@final
class Breaker:
    """The circuit breaker of one server. Open at first."""

    def __new__(cls, failures: int) -> Self: ...
    @property
    def is_closed(self) -> bool: ...
    def succeeded(self) -> None: ...
    def failed(self, error: str, lost: bool) -> bool:
        """A check was not answered; `lost`: none will be on this connection. Whether that opened it."""
    def probing(self) -> None: ...
    def probe_failed(self, error: str) -> None: ...
    def recovered(self) -> None: ...
    @property
    def state(self) -> Literal["closed", "open", "half-open"]: ...
    @property
    def since(self) -> float:
        """Unix time (s) since when the server is there, or away."""
    @property
    def last_error(self) -> str | None: ...
    @property
    def opened(self) -> int: ...

@final
class Ticket: ...

@final
class Denials:
    """Denials that still hold, of at most so many keys."""

    def __new__(cls, capacity: int) -> Self: ...
    def get(self, key: bytes, limits: Limits, cost: int) -> Decision | None: ...
    def ticket(self, key: bytes) -> Ticket:
        """To be taken before the server is asked."""
    def put(self, key: bytes, limits: Limits, cost: int, decision: Decision, ticket: Ticket) -> None: ...
    def claim(self, key: bytes, limits: Limits, cost: int) -> bool:
        """Whether a denial is to be asked for: none is held, and nobody else asks."""
    def settle(self, key: bytes) -> None: ...
    def forget(self, key: bytes) -> None: ...
    def forget_all(self) -> None: ...

@final
class Probes:
    """How long to wait before each of the probes that look for a server, in seconds: growing, with jitter, without
    end."""

    def __new__(cls, least: float, most: float) -> Self: ...
    def __next__(self) -> float: ...
    def __iter__(self) -> Self: ...

def absence(code: str) -> Literal["unserved", "lost"] | None:
    """What the code at the head of a server's error says of its absence; `None`: it is there, and refuses the
    command."""

SCRIPT: Final[str]
SCRIPT_SUFFIX: Final[str]

@final
class Told:
    """What the responses of an endpoint tell of its limits; immutable. Several limits are told together."""

    def __new__(cls, limits: Sequence[Limits], family: Family = "draft-11") -> Self: ...
    def fields(self, decisions: Sequence[Decision]) -> list[tuple[bytes, bytes]]:
        """The fields of a response, names in lower case; a decision for each of the limits."""
    def problem(self, decisions: Sequence[Decision]) -> bytes:
        """A denial as problem details (RFC 9457)."""

@final
class Proxies:
    """The proxies whose word on a client's address is taken: read from the right of one field, up to the first address
    that is not a trusted proxy's. Raises `ValueError` for a text that is neither a network nor an address."""

    def __new__(cls, networks: Sequence[str], field: Literal["x-forwarded-for", "forwarded"] = ...) -> Self: ...
    def client(self, peer: str | None, headers: Headers) -> str | None:
        """The client's address; of IPv6 its network of 64 bits, as `2001:db8:0:1::/64`. `None` if `peer` is no address
        and the field tells none. A peer that is `None` (a Unix socket) is trusted if "unix" is among the networks."""

@final
class Hint:
    """What a response says of waiting; malformed fields are ignored. `now` is Unix time (s), for dates."""

    @staticmethod
    def read(headers: Headers, now: float) -> Hint: ...
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
    """How often, and for how long, a request is tried; times in seconds. Raises `ValueError` for a negative one."""

    def __new__(
        cls,
        *,
        max_tries: int = ...,
        max_total: float = ...,
        max_single_wait: float = ...,
        base: float = ...,
        factor: float = ...,
    ) -> Self: ...

@final
class Tries:
    """The tries of one request, begun by `RetryPolicy`."""

    def __new__(cls, policy: RetryPolicy, method: str, headers: Headers, repeatable: bool | None = None) -> Self:
        """`repeatable` overrules what method and headers say."""
    def after_response(self, status: int, headers: Headers, now: float, elapsed: float) -> float | None:
        """Seconds to wait before the next try; `None`: this is the answer."""
    def after_error(self, connected: bool, elapsed: float) -> float | None:
        """The same after an error; `connected`: the request may have arrived."""

@final
class Lane:
    """Requests that share a limit, held back while nothing is left. Times are of one monotonic clock, in seconds."""

    def __new__(cls) -> Self: ...
    def enter(self, now: float, latest: float) -> float | None:
        """Begins a request if it may be sent now (0.0). Else how many seconds to wait before asking again; `None`:
        until another request is answered. Never holds a request beyond `latest`."""
    def answered(self, refused: bool, hint: Hint, now: float) -> None: ...
    def left(self) -> None:
        """A request that was begun is over."""
