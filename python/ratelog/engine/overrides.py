"""Overrides: an operator's decision for one key, in place of its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal, cast

from redis.exceptions import ResponseError

from .._core import Limits
from ..check import LimitsLike, to_limits

if TYPE_CHECKING:
    from .commands import Command, Reply

OverrideAction = Literal["allow", "deny", "limit"]


@dataclass(frozen=True)
class Override:
    """An override: `allow` allows and records nothing, `deny` denies every check, `limit` sets other rules."""

    action: OverrideAction
    limits: Limits | None = None
    """The rules of `limit`; `None` for the other actions."""
    ttl_ms: int | None = None
    """Milliseconds until the override ends; `None` if it does not."""


@dataclass(frozen=True)
class ListedOverride(Override):
    """An override of a list, with its key."""

    key: bytes = b""
    """The whole key."""
    database: int = 0
    """The number of the key's database."""


def set_override_command(key: bytes, action: str, limits: LimitsLike | None, ttl: float | None) -> Command:
    """Builds `RL.OVERRIDE SET`.

    Raises:
        ValueError: the action is unknown, `limit` has no rules, another action has rules, the limits name a policy, or
            `ttl` is under a millisecond or not finite.
    """
    if action not in ("allow", "deny", "limit"):
        raise ValueError(f"an override's action is 'allow', 'deny' or 'limit', not {action!r}")
    if (action == "limit") is (limits is None):
        raise ValueError(f"an override '{action}' takes {'limits' if limits is None else 'no limits'}")
    args: tuple[str, ...] = ()
    if limits is not None:
        rules = to_limits(limits)
        if rules.policy is not None:
            raise ValueError("an override takes rules, not a policy")
        args = rules.args
    if ttl is not None and not 0.001 <= ttl < inf:
        raise ValueError(f"an override's ttl is a number of seconds, at least 0.001, not {ttl!r}")
    expiry = () if ttl is None else ("PX", int(ttl * 1000))
    return ("RL.OVERRIDE", "SET", key, action.upper(), *args, *expiry)


def parse_override(reply: Reply) -> Override | None:
    """Parses the reply of `RL.OVERRIDE GET`."""
    return None if reply is None else Override(*_parse_fields(parse_map(reply)))


def parse_override_page(reply: Reply) -> tuple[str, list[ListedOverride]]:
    """Parses the reply of `RL.OVERRIDE LIST`: the cursor of the next page, and overrides."""
    cursor, overrides = cast("tuple[Reply, list[Reply]]", reply)
    return text(cursor), [
        ListedOverride(*_parse_fields(fields), to_bytes(fields["key"]), cast("int", fields["database"]))
        for fields in map(parse_map, overrides)
    ]


def _parse_fields(fields: Mapping[str, Reply]) -> tuple[OverrideAction, Limits | None, int | None]:
    rules = parse_rules(fields["rules"])
    action, ttl = text(fields["action"]), cast("int", fields["ttl_ms"])
    if action not in ("allow", "deny", "limit"):
        raise ResponseError(f"unknown override action {action!r}")
    limits = Limits.of_rules(rules) if rules else None
    return cast("OverrideAction", action), limits, None if ttl < 0 else ttl


def parse_map(reply: Reply) -> dict[str, Reply]:
    """Parses a map, which is a flat list in RESP2."""
    if isinstance(reply, Mapping):
        return {text(name): value for name, value in reply.items()}
    if isinstance(reply, list):
        names = iter(reply)
        return {text(name): value for name, value in zip(names, names, strict=False)}
    raise ResponseError(f"expected a map, not {reply!r}")


def parse_rules(reply: Reply) -> Sequence[tuple[int, int]]:
    """Parses pairs of limit (units) and window (ms)."""
    return [(limit, window) for limit, window in cast("list[tuple[int, int]]", reply or [])]


def text(reply: Reply) -> str:
    """A string, which the client may or may not have decoded."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)


def to_bytes(reply: Reply) -> bytes:
    """A string's bytes, which the client may have decoded."""
    return reply if isinstance(reply, bytes) else str(reply).encode()
