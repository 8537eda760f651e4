"""The operations of operators, for the blocking limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .engine.admin import AdminOperations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Protocol

    from .check import LimitsLike
    from .engine.engine import Engine
    from .engine.inspection import Explanation, Hit, KeyInfo
    from .engine.operation import Operation
    from .engine.overrides import ListedOverride
    from .engine.policies import NodePolicies, Policy
    from .engine.stats import Stats, TopKey, TopKind

    T = TypeVar("T")

    class Run(Protocol):
        def __call__(self, operation: Operation[T], /) -> T: ...


class SyncAdmin:
    """`Admin` with blocking methods."""

    def __init__(self, engine: Engine, run: Run) -> None:
        """Created by `SyncRateLimiter.admin`."""
        self._operations = AdminOperations(engine)
        self._run = run

    def set_policy(self, name: str, limits: LimitsLike, *, shadow: bool = False) -> None:
        """See `Admin.set_policy`."""
        self._run(self._operations.set_policy(name, limits, shadow))

    def policy(self, name: str) -> Policy | None:
        """See `Admin.policy`."""
        return self._run(self._operations.policy(name))

    def policies(self) -> list[str]:
        """See `Admin.policies`."""
        return self._run(self._operations.policies())

    def delete_policy(self, name: str) -> bool:
        """See `Admin.delete_policy`."""
        return self._run(self._operations.delete_policy(name))

    def export_policies(self) -> str:
        """See `Admin.export_policies`."""
        return self._run(self._operations.export_policies())

    def import_policies(self, document: str | bytes | Mapping[str, object]) -> None:
        """See `Admin.import_policies`."""
        self._run(self._operations.import_policies(document))

    def policy_versions(self) -> list[NodePolicies]:
        """See `Admin.policy_versions`."""
        return self._run(self._operations.policy_versions())

    def top(self, kind: TopKind, count: int = 10) -> list[TopKey]:
        """See `Admin.top`."""
        return self._run(self._operations.top(kind, count))

    def stats(self, *, reset: bool = False) -> Stats:
        """See `Admin.stats`."""
        return self._run(self._operations.stats(reset))

    def inspect(self, key: str | bytes) -> KeyInfo | None:
        """See `Admin.inspect`."""
        return self._run(self._operations.inspect(key))

    def hits(
        self, key: str | bytes, *, count: int = 1000, before: int | None = None, after: int | None = None
    ) -> list[Hit]:
        """See `Admin.hits`."""
        return self._run(self._operations.hits(key, count, before, after))

    def explain(self, key: str | bytes, limits: LimitsLike, cost: int = 1) -> Explanation:
        """See `Admin.explain`."""
        return self._run(self._operations.explain(key, limits, cost))

    def overrides(self, match: str | bytes | None = None, count: int | None = None) -> Iterator[ListedOverride]:
        """See `Admin.overrides`."""
        pages = self._operations.overrides(match, count)
        while (page := self._run(pages.next_page())) is not None:
            yield from page
