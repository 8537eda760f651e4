"""The operations of operators, for the asynchronous limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .engine.admin import AdminOperations
from .engine.inspection import Explanation, Hit, KeyInfo
from .engine.overrides import ListedOverride
from .engine.policies import NodePolicies, Policy
from .engine.stats import PolicyStats, Stats, TopKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping
    from typing import Protocol

    from .check import LimitsLike
    from .engine.engine import Engine
    from .engine.operation import Operation
    from .engine.stats import TopKind

    T = TypeVar("T")

    class Run(Protocol):
        def __call__(self, operation: Operation[T], /) -> Awaitable[T]: ...


__all__ = [
    "Admin",
    "Explanation",
    "Hit",
    "KeyInfo",
    "ListedOverride",
    "NodePolicies",
    "Policy",
    "PolicyStats",
    "Stats",
    "TopKey",
]


class Admin:
    """The operations of operators: policies, statistics, and what a key holds.

    Keys are whole Redis keys, as in the commands of the module: a limiter's `prefix` is not added. In a cluster, a
    command without a key goes to every primary that it concerns, and all of them have to reply.

    Every method raises:
        NeedsModuleError: the server does not have the module, or there is no server (`memory://`).
        UnavailableError: the server is unavailable. The setting `fallback` does not apply.
        redis.exceptions.ResponseError: the server rejected the command; the text names the argument or the right.
    """

    def __init__(self, engine: Engine, run: Run) -> None:
        """Created by `RateLimiter.admin`."""
        self._operations = AdminOperations(engine)
        self._run = run

    async def set_policy(self, name: str, limits: LimitsLike, *, shadow: bool = False) -> None:
        """Stores rules as the policy `name`, in place of those that it had. They apply from the next check.

        Args:
            name: 1 to 64 characters of `A-Z a-z 0-9 . _ : - /`.
            limits: rules such as `5/minute; 100/hour`.
            shadow: whether to allow the checks that the rules deny, and to count them as `shadow_denied`.

        Raises:
            ValueError: the name or the limits are invalid.
        """
        await self._run(self._operations.set_policy(name, limits, shadow))

    async def policy(self, name: str) -> Policy | None:
        """Returns a policy; `None` if there is none of this name."""
        return await self._run(self._operations.policy(name))

    async def policies(self) -> list[str]:
        """Returns the names of all policies, sorted."""
        return await self._run(self._operations.policies())

    async def delete_policy(self, name: str) -> bool:
        """Deletes a policy. Returns whether there was one. Recorded units stay in their keys."""
        return await self._run(self._operations.delete_policy(name))

    async def export_policies(self) -> str:
        """Returns all policies as JSON. Servers with the same policies return the same text."""
        return await self._run(self._operations.export_policies())

    async def import_policies(self, document: str | bytes | Mapping[str, object]) -> None:
        """Replaces all policies with those of `export_policies`, as JSON or parsed, or changes nothing.

        Raises:
            redis.exceptions.ResponseError: the document is invalid. The message contains the path to the error.
        """
        await self._run(self._operations.import_policies(document))

    async def policy_versions(self) -> list[NodePolicies]:
        """Returns what the primaries of a cluster report about their policies, the node that replies first.

        Raises:
            redis.exceptions.ResponseError: the server is not in a cluster.
        """
        return await self._run(self._operations.policy_versions())

    async def top(self, kind: TopKind, count: int = 10) -> list[TopKey]:
        """Returns the keys with the most `denied` checks, or with the most `checked` ones, heaviest first.

        At most `count` keys, and no more from each server than its setting `rl.top-k` (64). In a cluster, the keys of
        all primaries are merged; the counts of a key that moved between primaries are added.

        Raises:
            ValueError: `kind` is neither `denied` nor `checked`.
        """
        return await self._run(self._operations.top(kind, count))

    async def stats(self, *, reset: bool = False) -> Stats:
        """Returns the numbers of checks since the server started or the last reset.

        In a cluster, the sums of all primaries, for each policy and each of its rules, too.

        Args:
            reset: whether to set the counts to 0 afterwards, and to empty the sketches of `top`.
        """
        return await self._run(self._operations.stats(reset))

    async def inspect(self, key: str | bytes) -> KeyInfo | None:
        """Returns what a key holds; `None` if it holds nothing."""
        return await self._run(self._operations.inspect(key))

    async def hits(
        self, key: str | bytes, *, count: int = 1000, before: int | None = None, after: int | None = None
    ) -> list[Hit]:
        """Returns the instants at which units were recorded, newest first.

        Args:
            key: the whole key.
            count: the maximum number of instants, at most 10,000.
            before: returns only earlier instants, in milliseconds since the Unix epoch. Pass the last one to read more.
            after: returns only later instants, in milliseconds since the Unix epoch.
        """
        return await self._run(self._operations.hits(key, count, before, after))

    async def explain(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Explanation:
        """Explains the decision of `peek`. Records and counts nothing.

        Raises:
            ValueError: the limits do not parse, or the cost is not from 1 to 1,000,000.
            NoPolicyError: the policy does not exist.
        """
        return await self._run(self._operations.explain(key, limits, cost))

    async def overrides(
        self, match: str | bytes | None = None, count: int | None = None
    ) -> AsyncIterator[ListedOverride]:
        """Iterates over the overrides of all keys, in the order in which they were set, page by page.

        In a cluster, over those of all primaries, in no order. An override that exists all the time is listed; one
        whose key is renamed meanwhile can be listed twice.

        Args:
            match: selects keys by a pattern of `SCAN`, such as `ratelog:{ip:*`.
            count: the number of overrides that the server examines for each page, at most 1,000. By default 100.
        """
        pages = self._operations.overrides(match, count)
        while (page := await self._run(pages.next_page())) is not None:
            for override in page:
                yield override
