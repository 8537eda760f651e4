"""The decisions of a limiter. Does no I/O, so that both limiters share it: each operation is an `Operation`."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from time import perf_counter
from typing import TYPE_CHECKING

from .._core import Breaker, Decision, DenyCache, LocalLimiter, Policies
from ..check import Check, has_recorded, with_prefix
from ..errors import NoPolicyError, UnavailableError
from ..events import CIRCUIT_OPEN, CheckCompleted, EventPublisher, ServerRecovered, ServerUnavailable
from ..health import Health
from ..problems import Problems
from .backend import Backend
from .classify import (
    TRANSPORT_ERRORS,
    UNCOUNTED_ERRORS,
    LimiterClosedError,
    OtherShardError,
    classify,
    describe,
    is_rejection,
)
from .commands import UNKNOWN_HERE, Command, Reply, find_unknown, module_required, to_public_error
from .fallback import Fallback
from .reset_all import reset_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .._core import KeyVersion, Limits, ManualClock
    from ..settings import Settings
    from .operation import Operation


Errors = dict[Check, str]
"""The type of the error because of which the fallback decided a check."""

VERIFIED_KEY = b"{ip:0.0.0.0}:*"
"""The key, after the prefix, of the checks that verify limits."""


class Engine:
    """The state of a limiter, and its operations."""

    def __init__(
        self,
        settings: Settings,
        events: EventPublisher,
        *,
        remote: bool,
        cluster: bool,
        user: str = "user 'default'",
        server: str = "",
        clock: ManualClock | None = None,
        shared: Engine | None = None,
    ) -> None:
        """`user` names the owner of the credentials, and `server` the server. `clock` replaces the clock of this
        process, in tests. `shared` has the state of this process that the shards of a cluster share."""
        self.settings = settings
        self.events = events
        self.remote = remote
        self.cluster = cluster
        self.enabled = settings.enabled
        """Whether checks are made. If not, each is allowed."""
        self._user = user
        self._server = server
        self.breaker = Breaker(settings.failure_threshold)
        if shared is None:
            retry_after_ms = int(settings.probe_max_interval * 1000)
            self.policies = Policies(settings.policies, clock=clock)
            self.local = LocalLimiter(settings.local_max_bytes, instances=settings.instances, clock=clock)
            self.fallback = Fallback(self.local, self.policies, settings.fallback, retry_after_ms)
            self.deny_cache = DenyCache(settings.deny_cache, clock=clock) if settings.deny_cache and remote else None
            self.problems = Problems()
        else:
            self.policies, self.local, self.fallback = shared.policies, shared.local, shared.fallback
            self.deny_cache, self.problems = shared.deny_cache, shared.problems
        self.backend = Backend(
            settings,
            self.policies,
            cluster=cluster,
            record_failure=self.record_failure,
            deny_cache=self.deny_cache,
        )
        if settings.prefix:
            self.backend.probe_key = with_prefix(settings.prefix, b"probe")
        self.unanswered = 0
        """The number of checks that the server did not answer although the circuit was closed."""
        self._unanswered_error: str | None = None
        """Why the last of them was not answered."""
        self._is_reported_unavailable = False
        self.start_probing: Callable[[], None] = lambda: None
        """Starts to probe the server, unless probes are running."""
        self.cache_denial: Callable[[Check], bool] = lambda _: False
        """Caches a denial that the server will invalidate; returns false if the server does not track keys."""
        self.is_tracking: Callable[[], bool] = lambda: False
        if not remote:
            self.breaker.record_recovery()

    def decide(
        self, checks: Sequence[Check], *, use_deny_cache: bool = True, lenient: bool = False
    ) -> Operation[list[Decision | None]]:
        """Runs `check` and publishes the result to the hooks."""
        if not self.events.has_hooks:
            return self.check(checks, use_deny_cache=use_deny_cache, lenient=lenient)
        errors: Errors = {}
        operation = self.check(checks, use_deny_cache=use_deny_cache, lenient=lenient, errors=errors)
        return self._published(operation, checks, errors)

    def check(
        self,
        checks: Sequence[Check],
        *,
        record: bool = True,
        use_deny_cache: bool = True,
        lenient: bool = False,
        errors: Errors | None = None,
    ) -> Operation[list[Decision | None]]:
        """Checks all keys or none. Returns one decision per check.

        With the deny cache, a decision is `None` if a cached denial of another check made this one unnecessary.
        If `lenient`, a check that the server rejects is reported as a problem and decided as the setting `fallback`
        says; otherwise its error is raised. `errors` receives what `CheckCompleted.errors` has.
        """
        deny_cache = self.deny_cache if record and use_deny_cache and self.enabled else None
        if deny_cache is not None:
            cached, versions = cached_denials(deny_cache, checks)
            if cached is not None:
                return cached
        without_server = self._decide_without_server(checks, record, lenient, errors)
        if without_server is not None:
            return without_server
        try:
            decisions = yield from self.backend.check(checks, record=record)
        except Exception as error:
            if not self.record_failure(error):
                # With the script, the limiter finds an unknown policy by itself, without an answer.
                if self.backend.has_module or not isinstance(error, NoPolicyError):
                    self.breaker.record_success()
                if not lenient or not is_rejection(error):
                    raise
                return list((yield from self._check_rejected(checks, record, error, errors)))
            return self._decide_after_failure(checks, record, error, errors)
        self.breaker.record_success()
        if deny_cache is not None:
            for check, decision, version in zip(checks, decisions, versions, strict=False):
                if not decision.allowed and check.is_recorded and not self.cache_denial(check):
                    deny_cache.insert(check.key, check.limits, check.valid_cost, decision, version)
        return list(decisions)

    def refund(self, key: bytes, cost: int) -> Operation[int]:
        """Returns the number of units taken back."""
        return (yield from self._change(key, self.backend.refund(key, cost), self.local.refund, cost))

    def reset(self, key: bytes) -> Operation[int]:
        """Returns the number of units removed."""
        return (yield from self._change(key, self.backend.reset(key), self.local.reset))

    def take_back(self, decided: Sequence[tuple[Check, Decision]]) -> Operation[None]:
        """Takes back the units that checks have recorded, each where it was decided.

        If this fails, the units stay for their window: the limit is never exceeded.
        """
        recorded = [(check, decision) for check, decision in decided if has_recorded(check, decision)]
        remote = [check for check, decision in recorded if decision.source != "local"]
        for check, decision in recorded:
            if decision.source == "local":
                self.local.refund(check.key, check.cost)
        if not remote or not self.remote or not self._is_available():
            return
        try:
            rejected = yield from self.backend.take_back(remote)
            if rejected is not None:
                self.problems.report(f"the server rejects to take back units: {describe(rejected)}")
        except TRANSPORT_ERRORS as error:
            self.record_failure(error)
        finally:
            for check in remote:
                self.invalidate(check.key)

    def find_problems(self, limits: Collection[Limits], prefix: str) -> Operation[list[str]]:
        """Returns what the server rejects of these limits, and of keys with this prefix.

        Returns nothing if the server is unavailable.
        """
        # A key as that of a request: rights may depend on more than the prefix.
        key = with_prefix(prefix, VERIFIED_KEY)
        checks = [Check(key, rules) for rules in limits]
        if not self.remote:
            errors: Sequence[Exception | None] = find_unknown(self.policies, checks)
        elif not self._is_available():
            return []
        else:
            try:
                errors = yield from self.backend.find_rejected(checks)
                denied = yield from self.backend.find_rejected_write(key)
            except TRANSPORT_ERRORS as error:
                self.record_failure(error)
                return []
            if denied is not None:
                return [f"the server rejects writes to keys with the prefix {prefix!r}: {describe(denied)}"]
        return [_rejection(check, error) for check, error in zip(checks, errors, strict=True) if error is not None]

    def execute_module_command(
        self, feature: str, command: Command, changed_key: bytes | None = None
    ) -> Operation[Reply]:
        """Runs a command that only the module has. Invalidates the cached denials of `changed_key`."""
        if not self.remote:
            raise module_required(feature)
        # A server that is unavailable may have the module when it recovers.
        if not self._is_available():
            raise self._unavailable_error()
        if not self.backend.has_module:
            raise module_required(feature)
        try:
            reply = yield from self.backend.execute_module_command(feature, command)
        except TRANSPORT_ERRORS as error:
            if isinstance(error, OtherShardError):
                raise UnavailableError(str(error)) from None
            if self.record_failure(error):
                raise self._unavailable_error() from None  # the server may quote the password in `error`
            self.breaker.record_success()
            raise
        finally:
            if changed_key is not None:
                self.invalidate(changed_key)
        self.breaker.record_success()
        return reply

    def probe(self) -> Operation[bool]:
        """Probes the server, and closes the breaker if it is available. Returns whether it is."""
        unavailable_since = self.breaker.since
        if not self.breaker.is_closed:
            self.breaker.begin_probe()
        try:
            yield from self.backend.probe()
        except LimiterClosedError:
            return False
        except Exception as error:  # noqa: BLE001 - after any error the server cannot be used
            text = describe(error, self._user)
            self.breaker.record_failure(text, True)
            self.breaker.record_probe_failure(text)
            self._report_unavailable(text)
            return False
        self.breaker.record_recovery()
        self._report_recovery(unavailable_since, self.backend.dialect.source)
        return True

    def reset_keys(self, prefix: str) -> Operation[int]:
        """Deletes the units of all keys with a prefix on the server. Returns the number of keys."""
        return reset_keys(self.backend.dialect, prefix)

    def replace_local(self, local: LocalLimiter) -> None:
        """Replaces the limiter in this process: a new one has no units, and may have another clock."""
        self.local = self.fallback.local = local

    def invalidate(self, key: bytes) -> None:
        """Removes the key's cached denial, which may be outdated."""
        if self.deny_cache is not None:
            self.deny_cache.invalidate(key)

    def record_failure(self, error: BaseException) -> bool:
        """Counts an error towards the breaker if it means that the server is unavailable. Returns whether it does."""
        if isinstance(error, UNCOUNTED_ERRORS):
            return True
        kind = classify(error)
        if kind is None:
            return False
        text = describe(error, self._user)
        if self.breaker.record_failure(text, kind == "connection-lost"):
            self._report_unavailable(text)
            self.start_probing()
        return True

    def count_unanswered(self, checks: int, error: Exception) -> None:
        """Counts and logs checks that the fallback decides because of an error while the circuit is closed."""
        if self.breaker.is_closed:
            # Otherwise, the outage is reported.
            self.unanswered += checks
            self._unanswered_error = describe(error, self._user)
            self.events.log_unanswered(self._unanswered_error, self.unanswered, self._server)

    @property
    def last_error(self) -> str | None:
        """The last error that the breaker counted; if there is none, the last one of a check that it did not count."""
        return self.breaker.last_error or self._unanswered_error

    def health(self) -> Health:
        """The state of the limiter now."""
        breaker = self.breaker
        return Health(
            state=breaker.state,
            since=datetime.fromtimestamp(breaker.since, timezone.utc),
            backend=("module" if self.backend.has_module else "script") if self.remote else "local",
            fallback=self.settings.fallback,
            last_error=self.last_error,
            opened=breaker.opened,
            tracking=self.is_tracking(),
            local_keys=len(self.local),
            local_bytes=self.local.bytes,
            evicted=self.local.evicted,
            unanswered=self.unanswered,
            problems=self.problems.recent(),
        )

    def _decide_without_server(
        self, checks: Sequence[Check], record: bool, lenient: bool, errors: Errors | None
    ) -> list[Decision | None] | None:
        """Returns the decisions; `None` if the server makes them."""
        if not self.enabled:
            return list(self.fallback.allow(checks))
        if not self.remote:
            return self._check_in_process(checks, record, lenient, errors)
        if self._is_available():
            return None
        if errors is not None:
            errors.update(dict.fromkeys(checks, CIRCUIT_OPEN))
        return list(self.fallback.decide(checks, record))

    def _check_in_process(
        self, checks: Sequence[Check], record: bool, lenient: bool, errors: Errors | None
    ) -> list[Decision | None]:
        try:
            return list(self.fallback.check_locally(checks, record))
        except NoPolicyError as error:
            if not lenient:
                raise
            self.problems.report(str(error))
            decisions = self.fallback.check_known_locally(checks, record)
            if errors is not None:
                known = zip(checks, decisions, strict=True)
                errors.update({check: _name(error) for check, one in known if one.source == "fallback"})
            return list(decisions)

    def _check_rejected(
        self, checks: Sequence[Check], record: bool, error: Exception, errors: Errors | None
    ) -> Operation[list[Decision | None]]:
        """Decides checks of which the server has rejected one: that one by the fallback, the others by the server."""
        reasons: Sequence[Exception | None] = [error]
        if len(checks) > 1:
            try:
                reasons = yield from self.backend.find_rejected(checks)
            except TRANSPORT_ERRORS as failure:
                self.record_failure(failure)
                return self._decide_after_failure(checks, record, failure, errors)
        rejected = {check: reason for check, reason in zip(checks, reasons, strict=True) if reason is not None}
        for check, reason in rejected.items():
            self.problems.report(_rejection(check, reason))
        if not rejected:
            # Only the command that records is rejected.
            self.problems.report(f"the server rejects checks: {describe(error)}")
            rejected = dict.fromkeys(checks, error)
        if errors is not None:
            errors.update({check: _name(to_public_error(reason)) for check, reason in rejected.items()})
        accepted = [check for check in checks if check not in rejected]
        is_recorded = record and all(self.fallback.decide(list(rejected), False))
        decisions: dict[Check, Decision] = {}
        if accepted:
            others = yield from self.check(
                accepted, record=is_recorded, use_deny_cache=False, lenient=True, errors=errors
            )
            decisions = {check: one for check, one in zip(accepted, others, strict=True) if one is not None}
            is_recorded = is_recorded and all(decisions.values())
        decisions.update(zip(rejected, self.fallback.decide(list(rejected), is_recorded), strict=True))
        return [decisions[check] for check in checks]

    def _decide_after_failure(
        self, checks: Sequence[Check], record: bool, error: Exception, errors: Errors | None
    ) -> list[Decision | None]:
        if not isinstance(error, UNCOUNTED_ERRORS):
            self.count_unanswered(len(checks), error)
        if errors is not None:
            errors.update(dict.fromkeys(checks, _name(error)))
        return list(self.fallback.decide(checks, record))

    def _published(
        self, operation: Operation[list[Decision | None]], checks: Sequence[Check], errors: Errors
    ) -> Operation[list[Decision | None]]:
        started = perf_counter()
        decisions = yield from operation
        self.events.publish(CheckCompleted(checks, decisions, perf_counter() - started, errors))
        return decisions

    def _change(self, key: bytes, remote: Operation[int], local: Callable[..., int], *arguments: int) -> Operation[int]:
        try:
            if not self.remote:
                return local(key, *arguments)
            if self._is_available():
                try:
                    count = yield from remote
                    self.breaker.record_success()
                    return count
                except TRANSPORT_ERRORS as error:
                    if not self.record_failure(error):
                        self.breaker.record_success()
                        raise
            if self.settings.fallback == "local":
                return local(key, *arguments)
            raise self._unavailable_error()
        finally:
            # Also after an error: the server may have executed the command.
            self.invalidate(key)

    def _is_available(self) -> bool:
        """Whether to send commands to the server. Starts to probe it if not."""
        if self.breaker.is_closed:
            return True
        self.start_probing()
        return False

    def _report_recovery(self, unavailable_since: float, backend: str) -> None:
        if self._is_reported_unavailable:
            self._is_reported_unavailable = False
            downtime = max(0.0, time.time() - unavailable_since)
            self.events.log_and_publish(ServerRecovered(downtime, backend, self._server))

    def _report_unavailable(self, error: str) -> None:
        if self.deny_cache is not None:
            self.deny_cache.invalidate_all()
        if not self._is_reported_unavailable:
            self._is_reported_unavailable = True
            self.events.log_and_publish(ServerUnavailable(error, self.settings.fallback, self._server))

    def _unavailable_error(self) -> UnavailableError:
        return UnavailableError(f"the server is unavailable: {self._unavailable_reason() or 'not connected yet'}")

    def _unavailable_reason(self) -> str | None:
        return self.breaker.last_error


def _name(error: BaseException) -> str:
    if isinstance(error, OtherShardError):
        if error.__cause__ is None:
            return CIRCUIT_OPEN
        error = error.__cause__
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _rejection(check: Check, error: Exception) -> str:
    if str(error).endswith(UNKNOWN_HERE):
        return f"checks under {check.limits} are not limited: {describe(error)}; add its rules to the setting policies"
    return f"the server rejects checks under {check.limits}: {describe(to_public_error(error))}"


def cached_denials(
    deny_cache: DenyCache, checks: Sequence[Check]
) -> tuple[list[Decision | None] | None, list[KeyVersion]]:
    """The cached denials of the checks, if there is one; otherwise the versions to insert new denials with."""
    cached = [deny_cache.get(check.key, check.limits, check.valid_cost) for check in checks]
    if any(decision is not None for decision in cached):
        return cached, []
    return None, [deny_cache.version(check.key) for check in checks]
