"""The engine of a cluster: an engine with a circuit breaker for each shard."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import ResponseError

from ..check import unrecorded
from .classify import describe
from .cluster_health import health_of_cluster
from .commands import resolve_policy
from .engine import VERIFIED_KEY, Engine, cached_denials
from .node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand, NodeFailure, NodeReplies
from .routing import Router, together
from .shard import Shard
from .shards import Shards
from .topology import Topology

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

T = TypeVar("T")

_CLUSTER_SLOTS = ("CLUSTER", "SLOTS")
_KEY_INDEX = {"RL.OVERRIDE": 2}
"""The position of the key in the commands in which it does not follow the name."""


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
        self.seeds = tuple(seeds)
        self.addresses: set[str] = set()
        """All nodes that were ever known, also replicas."""
        self.is_in_doubt = False
        """Whether the topology may have changed since it was read: a shard is lost, or slots have moved."""
        self.start_probing_shard: Callable[[Shard], None] = lambda _: None
        """Starts to probe a shard, unless probes are running."""
        self.cache_denial_of_shard: Callable[[Shard, Check], bool] = lambda *_: False
        """Caches a denial that the shard will invalidate; returns false if the shard does not track keys."""
        self.is_shard_tracking: Callable[[Shard], bool] = lambda _: False
        self._router = Router(self._redirected)
        self._next_asked = 0
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

        def check(shard: Shard | None, part: Sequence[Check], use_deny_cache: bool) -> Operation[list[Decision | None]]:
            options = {"record": record, "use_deny_cache": use_deny_cache, "lenient": lenient}
            if shard is None:
                return super(ClusterEngine, self).check(part, **options, errors=errors)
            return self._router.run(shard, shard.check(part, **options, errors=errors))

        parts = self._by_shard(checks) if self.enabled else {None: []}
        if len(parts) == 1:
            return (yield from check(next(iter(parts)), checks, use_deny_cache))
        if self.deny_cache is not None and record and use_deny_cache:
            cached, _ = cached_denials(self.deny_cache, checks)
            if cached is not None:
                return cached
        outcomes = yield from together(
            [check(shard, [checks[index] for index in part], use_deny_cache) for shard, part in parts.items()]
        )
        decisions: list[Decision | None] = [None] * len(checks)
        for part, outcome in zip(parts.values(), outcomes, strict=True):
            for index, decision in zip(part, () if isinstance(outcome, Exception) else outcome, strict=False):
                decisions[index] = decision
        error = next((outcome for outcome in outcomes if isinstance(outcome, Exception)), None)
        if record and (error is not None or any(one is not None and not one for one in decisions)):
            yield from self._take_back_recorded(checks, decisions)
        if error is not None:
            raise error
        return decisions

    def refund(self, key: bytes, cost: int) -> Operation[int]:
        """See `Engine.refund`."""
        shard = self._shard_of(key)
        return super().refund(key, cost) if shard is None else self._router.run(shard, shard.refund(key, cost))

    def reset(self, key: bytes) -> Operation[int]:
        """See `Engine.reset`."""
        shard = self._shard_of(key)
        return super().reset(key) if shard is None else self._router.run(shard, shard.reset(key))

    def take_back(self, recorded: Sequence[tuple[Check, Decision]]) -> Operation[None]:
        """See `Engine.take_back`."""
        operations = []
        for shard, part in self._by_shard([check for check, _ in recorded]).items():
            taken_back = [recorded[index] for index in part]
            if shard is None:
                operations.append(super().take_back(taken_back))
            else:
                operations.append(self._router.run(shard, shard.take_back(taken_back)))
        _raise_first((yield from together(operations)))

    def find_problems(self, limits: Collection[Limits], prefix: str) -> Operation[list[str]]:
        """See `Engine.find_problems`."""
        shard = self._shard_of(VERIFIED_KEY)
        if shard is None:
            return super().find_problems(limits, prefix)
        return self._router.run(shard, shard.find_problems(limits, prefix))

    def execute_module_command(
        self, feature: str, command: Command, changed_key: bytes | None = None
    ) -> Operation[Reply]:
        """See `Engine.execute_module_command`. A `NodeCommand` goes to the nodes that it names."""

        def execute(shard: Shard) -> Operation[Reply]:
            return self._router.run(shard, shard.execute_module_command(feature, command, changed_key))

        if isinstance(command, NodeCommand):
            shard = self._first_available() if command.nodes == ONE_PRIMARY else self.shards.get(command.nodes)
            if command.nodes == ALL_PRIMARIES and (shards := self.shards.owners()):
                replies = _raise_first((yield from together([execute(shard) for shard in shards])))
                return NodeReplies(zip((shard.address for shard in shards), replies, strict=True))
            if shard is None and command.nodes not in (ONE_PRIMARY, ALL_PRIMARIES):
                raise ResponseError(f"node {command.nodes} has left the cluster: begin the list again")
        else:
            shard = self._shard_of(_key_of(command))
        if shard is None:
            return (yield from super().execute_module_command(feature, command, changed_key))
        return (yield from execute(shard))

    def reset_keys(self, prefix: str) -> Operation[int]:
        """Resets the keys of all shards at once."""
        shards = self.shards.owners()
        if not shards:
            raise self._unavailable_error()
        operations = [self._router.run(shard, shard.reset_keys(prefix)) for shard in shards]
        return sum(_raise_first((yield from together(operations))))

    def replace_local(self, local: LocalLimiter) -> None:
        """See `Engine.replace_local`."""
        super().replace_local(local)
        for shard in self.shards.owners():
            shard.replace_local(local)

    def health(self) -> Health:
        """The state of the limiter now."""
        own = replace(super().health(), opened=self._opened_before)
        return health_of_cluster(own, [shard.shard_health() for shard in self.shards.owners()])

    def fetch_topology(self) -> Operation[Topology | None]:
        """Asks shards that are available, one after the other; and if none replies, all known nodes at once.

        Returns `None` if no node replies.
        """
        self.is_in_doubt = False
        available = [shard.address for shard in self.shards.owners() if shard.is_available]
        self._next_asked = (self._next_asked + 1) % max(1, len(available))
        rounds = [[address] for address in (*available[self._next_asked :], *available[: self._next_asked])]
        rounds.append(sorted(self.addresses.union(self.seeds)))
        if not self.breaker.is_closed:
            self.breaker.begin_probe()
        error: Exception | None = None
        for addresses in rounds:
            replies = yield [NodeCommand(*_CLUSTER_SLOTS, nodes=address) for address in addresses]
            for address, reply in zip(addresses, replies, strict=True):
                try:
                    return _read_topology(reply, address)
                except Exception as failure:  # noqa: BLE001 - after any error the node cannot be used
                    error = failure if error is None or not isinstance(failure, ResponseError) else error
        if not self.breaker.is_closed and error is not None:
            reason = describe(error, self._user)
            self.breaker.record_probe_failure(reason)
            self._report_unavailable(reason)
        return None

    def install(self, topology: Topology) -> list[Shard]:
        """Routes commands as the topology says. Returns the shards that own no slots any more."""
        self.addresses.update(topology.addresses)
        is_moved, dropped = self.shards.install(topology)
        for shard in dropped:
            self._opened_before += shard.breaker.opened
            self.unanswered += shard.unanswered
        if is_moved:
            self._invalidate_denials()
        if not self.breaker.is_closed:
            self._record_recovery(self.breaker.since, self.health().backend)
        return dropped

    def report_doubt(self) -> None:
        """Reads the topology soon: a shard is lost, or slots have moved."""
        self.is_in_doubt = True
        self.start_probing()

    def _create_shard(self, address: str) -> Shard:
        shard = Shard(self, address, user=self._user, on_lost=self.report_doubt)
        shard.start_probing = lambda: self.start_probing_shard(shard)
        shard.cache_denial = lambda check: self.cache_denial_of_shard(shard, check)
        shard.is_tracking = lambda: self.is_shard_tracking(shard)
        return shard

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

    def _by_shard(self, checks: Sequence[Check]) -> dict[Shard | None, list[int]]:
        """The indices of the checks of each shard; `None` has those whose keys no shard owns."""
        parts: dict[Shard | None, list[int]] = {}
        for index, check in enumerate(checks):
            parts.setdefault(self._shard_of(check.key), []).append(index)
        return parts

    def _take_back_recorded(self, checks: Sequence[Check], decisions: list[Decision | None]) -> Operation[None]:
        """Takes back the units of the checks that recorded them, and corrects their decisions."""
        recorded = []
        for index, (check, decision) in enumerate(zip(checks, decisions, strict=True)):
            if decision is not None and self._is_recorded(check, decision):
                recorded.append((check, decision))
                decisions[index] = unrecorded(decision, check.cost)
        yield from self.take_back(recorded)

    def _is_recorded(self, check: Check, decision: Decision) -> bool:
        if not check.is_recorded or not decision.allowed or decision.source == "fallback":
            return False
        # Under a shadow policy, a check may be allowed although it recorded nothing, unless the module decides.
        return decision.source == "module" or not resolve_policy(self.policies, check)[1]

    def _first_available(self) -> Shard | None:
        """The first available shard by address; if there is none, the first one."""
        shards = self.shards.owners()
        return next(chain((shard for shard in shards if shard.is_available), shards), None)

    def _is_available(self) -> bool:
        """Keys that no shard owns have no server."""
        self.report_doubt()
        return False

    def _unavailable_reason(self) -> str | None:
        return "no node of the cluster owns the key's hash slot" if len(self.shards) else super()._unavailable_reason()


def _read_topology(reply: Reply, address: str) -> Topology:
    if isinstance(reply, NodeFailure):
        raise reply.error
    if isinstance(reply, Exception):
        raise reply
    return Topology.from_reply(reply, address)


def _key_of(command: Command) -> bytes:
    key = command[_KEY_INDEX.get(str(command[0]), 1)]
    return key if isinstance(key, bytes) else str(key).encode()


def _raise_first(outcomes: Sequence[T | Exception]) -> list[T]:
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
