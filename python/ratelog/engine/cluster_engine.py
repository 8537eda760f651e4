"""The engine of a cluster: an engine with a circuit breaker for each shard."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import ResponseError

from ..errors import UnavailableError
from .classify import describe
from .cluster_health import health_of_cluster
from .commands import key_of
from .discovery import Discovery
from .engine import VERIFIED_KEY, Engine, cached_denials
from .failovers import Failovers
from .node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand, NodeReplies
from .partition import Partition, is_denied, unrecord
from .redirect import NO_OWNER
from .routing import Router, together
from .shard import Shard
from .shards import Shards

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .._core import Decision, Limits, LocalLimiter
    from ..check import Check
    from ..events import EventPublisher
    from ..health import Health
    from ..settings import Settings
    from .commands import Command, Reply
    from .engine import Errors
    from .operation import Operation
    from .redirect import Redirect
    from .topology import Topology

T = TypeVar("T")


class ClusterEngine(Engine):
    """Runs operations on the shards that own the keys.

    The engine itself is that of a server that is always unavailable: it decides the checks of keys that no shard owns.
    Its breaker has the state of the search for the nodes, until the first one replies.
    """

    def __init__(
        self, settings: Settings, events: EventPublisher, *, seeds: Sequence[str], user: str = "user 'default'"
    ) -> None:
        """`seeds` are the addresses of nodes, `host:port`. `user` names the owner of the credentials."""
        super().__init__(settings, events, remote=True, cluster=True, user=user, server=",".join(seeds))
        self.shards = Shards(self._create_shard)
        self.is_in_doubt = False
        """Whether the topology may have changed since it was read: a shard is lost, or slots have moved."""
        self.start_probing_shard: Callable[[Shard], None] = lambda _: None
        """Starts to probe a shard, unless probes are running."""
        self.cache_denial_of_shard: Callable[[Shard, Check], bool] = lambda *_: False
        """Caches a denial that the shard will invalidate; returns false if the shard does not track keys."""
        self.is_shard_tracking: Callable[[Shard], bool] = lambda _: False
        """Whether a shard reports changed keys."""
        self._router = Router(self._redirected, self.report_doubt)
        self._discovery = Discovery(seeds)
        self._failovers = Failovers()
        self._opened_before = 0
        """How often the breakers of dropped shards opened."""

    def check(
        self,
        checks: Sequence[Check],
        *,
        record: bool = True,
        use_deny_cache: bool = True,
        lenient: bool = False,
        errors: Errors | None = None,
    ) -> Operation[list[Decision | None]]:
        """See `Engine.check`. The fallback decides the checks of shards that are unavailable."""

        def check(shard: Shard | None, part: Sequence[Check]) -> Operation[list[Decision | None]]:
            return self._run_on(
                shard,
                lambda engine: Engine.check(
                    engine, part, record=record, use_deny_cache=use_deny_cache, lenient=lenient, errors=errors
                ),
            )

        if not self.enabled:
            return (yield from check(None, checks))
        partition = Partition([check.key for check in checks], self._shard_of)
        if len(partition.shards) == 1:
            return (yield from check(partition.shards[0], checks))
        if self.deny_cache is not None and record and use_deny_cache:
            cached, _ = cached_denials(self.deny_cache, checks)
            if cached is not None:
                return cached
        parts = partition.split(checks)
        outcomes = yield from together(list(map(check, partition.shards, parts)))
        if record and any(map(is_denied, outcomes)):
            yield from self.take_back(unrecord(parts, outcomes))
        return partition.merge(_raise_first(outcomes))

    def refund(self, key: bytes, cost: int) -> Operation[int]:
        """See `Engine.refund`."""
        return self._run_on(self._shard_of(key), lambda engine: Engine.refund(engine, key, cost))

    def reset(self, key: bytes) -> Operation[int]:
        """See `Engine.reset`."""
        return self._run_on(self._shard_of(key), lambda engine: Engine.reset(engine, key))

    def take_back(self, decided: Sequence[tuple[Check, Decision]]) -> Operation[None]:
        """See `Engine.take_back`."""

        def take_back(shard: Shard | None, part: Sequence[tuple[Check, Decision]]) -> Operation[None]:
            return self._run_on(shard, lambda engine: Engine.take_back(engine, part))

        partition = Partition([check.key for check, _ in decided], self._shard_of)
        _raise_first((yield from together(list(map(take_back, partition.shards, partition.split(decided))))))

    def find_problems(self, limits: Collection[Limits], prefix: str) -> Operation[list[str]]:
        """See `Engine.find_problems`."""
        shard = self._shard_of(VERIFIED_KEY)
        return self._run_on(shard, lambda engine: Engine.find_problems(engine, limits, prefix))

    def execute_module_command(
        self, feature: str, command: Command, changed_key: bytes | None = None
    ) -> Operation[Reply]:
        """See `Engine.execute_module_command`. A `NodeCommand` goes to the nodes that it names."""

        def execute(shard: Shard | None) -> Operation[Reply]:
            return self._run_on(
                shard, lambda engine: Engine.execute_module_command(engine, feature, command, changed_key)
            )

        if not isinstance(command, NodeCommand):
            return (yield from execute(self._shard_of(key_of(command) or b"")))
        if command.nodes == ALL_PRIMARIES and (shards := self.shards.owners()):
            replies = _raise_first((yield from together([execute(shard) for shard in shards])))
            return NodeReplies(zip((shard.address for shard in shards), replies, strict=True))
        if command.nodes in (ONE_PRIMARY, ALL_PRIMARIES):
            return (yield from execute(self._first_available()))
        shard = self.shards.get(command.nodes)
        if shard is None:
            raise ResponseError(f"node {command.nodes} has left the cluster: begin the list again")
        return (yield from execute(shard))

    def reset_keys(self, prefix: str) -> Operation[int]:
        """Resets the keys of all shards at once."""
        shards = self.shards.owners()
        if not shards:
            raise self._unavailable_error()
        operations = [self._run_on(shard, lambda engine: Engine.reset_keys(engine, prefix)) for shard in shards]
        return sum(_raise_first((yield from together(operations))))

    def replace_local(self, local: LocalLimiter) -> None:
        """See `Engine.replace_local`."""
        super().replace_local(local)
        for shard in self.shards.owners():
            shard.replace_local(local)

    @property
    def last_error(self) -> str | None:
        """See `Engine.last_error`. No check is counted before the search for the nodes has ended, so it is the last."""
        return self._unanswered_error or super().last_error

    def health(self) -> Health:
        """The state of the limiter now."""
        own = replace(super().health(), opened=self._opened_before)
        shards = [*self.shards.owners(), *self.shards.lost_without_slots()]
        return health_of_cluster(own, [shard.shard_health() for shard in shards])

    def fetch_topology(self) -> Operation[Topology | None]:
        """Asks the nodes for the topology. Returns `None` if none of them replies."""
        self.is_in_doubt = False
        if not self.breaker.is_closed:
            self.breaker.begin_probe()
        try:
            return (yield from self._discovery.fetch([one.address for one in self.shards.owners() if one.is_available]))
        except Exception as error:  # noqa: BLE001 - after any error no node can be used
            if not self.breaker.is_closed:
                reason = describe(error, self._user)
                self.breaker.record_probe_failure(reason)
                self._report_unavailable(reason)
            return None

    def install(self, topology: Topology) -> None:
        """Routes commands as the topology says. Drops the shards that own no slots any more."""
        self._discovery.addresses = topology.addresses
        is_moved, dropped = self.shards.install(topology)
        for shard, slots in dropped.items():
            self._opened_before += shard.breaker.opened
            self.unanswered += shard.unanswered
            self._failovers.add(shard, slots)
        self._failovers.report_ends(self.shards)
        if is_moved:
            self._invalidate_denials()
        if not self.breaker.is_closed:
            unavailable_since = self.breaker.since
            self.breaker.record_recovery()
            self._report_recovery(unavailable_since, self.health().backend)

    def report_doubt(self) -> None:
        """Reads the topology soon: a shard is lost, or slots have moved."""
        self.is_in_doubt = True
        self.start_probing()

    def _create_shard(self, address: str) -> Shard:
        shard = Shard(self, address, user=self._user, report_doubt=self.report_doubt)
        shard.start_probing = lambda: self.start_probing_shard(shard)
        shard.cache_denial = lambda check: self.cache_denial_of_shard(shard, check)
        shard.is_tracking = lambda: self.is_shard_tracking(shard)
        return shard

    def _run_on(self, shard: Shard | None, operation: Callable[[Engine], Operation[T]]) -> Operation[T]:
        """Runs an operation on a shard; on this engine if no shard owns the key."""
        return operation(self) if shard is None else self._router.run(shard, operation(shard))

    def _redirected(self, redirect: Redirect) -> Shard:
        shard, is_moved = self.shards.redirected(redirect)
        if is_moved:
            self._invalidate_denials()
            self.report_doubt()
        return shard

    def _invalidate_denials(self) -> None:
        # Their node no longer reports changes of the keys that moved.
        if self.deny_cache is not None:
            self.deny_cache.invalidate_all()

    def _shard_of(self, key: bytes) -> Shard | None:
        shard = self.shards.of_key(key)
        if shard is None:
            self.report_doubt()
        return shard

    def _first_available(self) -> Shard | None:
        """The first available shard by address; if there is none, the first one."""
        shards = self.shards.owners()
        return next(chain((shard for shard in shards if shard.is_available), shards), None)

    def _decide_without_server(
        self, checks: Sequence[Check], record: bool, lenient: bool, errors: Errors | None
    ) -> list[Decision | None] | None:
        if self.enabled and len(self.shards):
            self.count_unanswered(len(checks), UnavailableError(NO_OWNER))
        return super()._decide_without_server(checks, record, lenient, errors)

    def _is_available(self) -> bool:
        """Keys that no shard owns have no server."""
        self.report_doubt()
        return False

    def _unavailable_reason(self) -> str | None:
        return NO_OWNER if len(self.shards) else super()._unavailable_reason()


def _raise_first(outcomes: Sequence[T | Exception]) -> list[T]:
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
