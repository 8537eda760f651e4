"""The operations of operators, which both limiters share. All of them need the module."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..check import LimitsLike, to_check, to_key
from .commands import ModuleDialect, parse_count
from .inspection import Explanation, Hit, KeyInfo, parse_explanation, parse_hits, parse_key_info
from .node_command import ALL_PRIMARIES, ONE_PRIMARY, NodeCommand, by_node
from .overrides import ListedOverride, parse_override_page, text
from .policies import NodePolicies, Policy, parse_node_policies, parse_policy, policy_rules, to_document
from .stats import Stats, TopKey, TopKind, merge_stats, merge_top

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .commands import Command, Reply
    from .engine import Engine
    from .operation import Operation

LAST_PAGE = "0"
"""The cursor after the last page."""


class AdminOperations:
    """Builds the commands, and combines the replies of a cluster's primaries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_policy(self, name: str, limits: LimitsLike, shadow: bool) -> Operation[None]:
        mode = ("SHADOW",) if shadow else ()
        yield from self._change_policies("SET", name, *mode, *policy_rules(name, limits))

    def policy(self, name: str) -> Operation[Policy | None]:
        return parse_policy(name, (yield from self._policy("GET", name)))

    def policies(self) -> Operation[list[str]]:
        return [text(name) for name in cast("list[Reply]", (yield from self._policy("LIST")))]

    def delete_policy(self, name: str) -> Operation[bool]:
        return parse_count((yield from self._change_policies("DEL", name))) == 1

    def export_policies(self) -> Operation[str]:
        return text((yield from self._policy("EXPORT")))

    def import_policies(self, document: str | bytes | Mapping[str, object]) -> Operation[None]:
        yield from self._change_policies("IMPORT", to_document(document))

    def policy_versions(self) -> Operation[list[NodePolicies]]:
        return parse_node_policies((yield from self._policy("SYNC")))

    def top(self, kind: TopKind, count: int) -> Operation[list[TopKey]]:
        if kind not in ("denied", "checked"):
            raise ValueError(f"the heaviest keys are 'denied' or 'checked', not {kind!r}")
        command = NodeCommand("RL.TOP", kind.upper(), "COUNT", count, nodes=ALL_PRIMARIES)
        return merge_top(by_node((yield from self._execute(command))).values(), count)

    def stats(self, reset: bool) -> Operation[Stats]:
        command = NodeCommand("RL.STATS", *(("RESET",) if reset else ()), nodes=ALL_PRIMARIES)
        return merge_stats(by_node((yield from self._execute(command))).values())

    def inspect(self, key: str | bytes) -> Operation[KeyInfo | None]:
        return parse_key_info((yield from self._execute(("RL.INSPECT", to_key(key)))))

    def hits(self, key: str | bytes, count: int, before: int | None, after: int | None) -> Operation[list[Hit]]:
        command: list[bytes | str | int] = ["RL.HITS", to_key(key), "COUNT", count]
        for word, instant in (("BEFORE", before), ("AFTER", after)):
            if instant is not None:
                command += (word, instant)
        return parse_hits((yield from self._execute(tuple(command))))

    def explain(self, key: str | bytes, limits: LimitsLike, cost: int) -> Operation[Explanation]:
        # The arguments are those of RL.PEEK.
        arguments = ModuleDialect().peek(to_check(key, limits, cost))[1:]
        return parse_explanation((yield from self._execute(("RL.EXPLAIN", *arguments))))

    def overrides(self, match: str | bytes | None, count: int | None) -> OverridePages:
        return OverridePages(self._engine, match, count)

    def _policy(self, *words: bytes | str) -> Operation[Reply]:
        return (yield from self._execute(NodeCommand("RL.POLICY", *words, nodes=ONE_PRIMARY)))

    def _change_policies(self, *words: bytes | str) -> Operation[Reply]:
        try:
            return (yield from self._policy(*words))
        finally:
            if self._engine.deny_cache is not None:
                self._engine.deny_cache.invalidate_all()

    def _execute(self, command: Command) -> Operation[Reply]:
        return (yield from self._engine.execute_module_command(str(command[0]), command))


class OverridePages:
    """The pages of the overrides of all primaries."""

    def __init__(self, engine: Engine, match: str | bytes | None, count: int | None) -> None:
        self._engine = engine
        self._options: Command = (
            *(() if match is None else ("MATCH", match)),
            *(() if count is None else ("COUNT", count)),
        )
        self._cursors: dict[str, str] = {}
        """The cursor of the next page of each node that has one."""
        self._is_started = False

    def next_page(self) -> Operation[list[ListedOverride] | None]:
        """Returns the next overrides, or `None` after the last page. The first page is that of every node."""
        if not self._is_started:
            self._is_started = True
            return (yield from self._read(LAST_PAGE, ALL_PRIMARIES))
        if not self._cursors:
            return None
        node, cursor = self._cursors.popitem()
        return (yield from self._read(cursor, node))

    def _read(self, cursor: str, nodes: str) -> Operation[list[ListedOverride]]:
        command = NodeCommand("RL.OVERRIDE", "LIST", "CURSOR", cursor, *self._options, nodes=nodes)
        reply = yield from self._engine.execute_module_command("RL.OVERRIDE", command)
        overrides: list[ListedOverride] = []
        for node, page in (by_node(reply) if nodes == ALL_PRIMARIES else {nodes: reply}).items():
            next_cursor, listed = parse_override_page(page)
            overrides += listed
            if next_cursor != LAST_PAGE:
                self._cursors[node] = next_cursor
        return overrides
