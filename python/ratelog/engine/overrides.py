"""What an operator puts on one key, in place of what its rules say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal, cast

from redis.exceptions import ResponseError

from .._core import Limits
from ..check import LimitsLike, limits_of

if TYPE_CHECKING:
    from .commands import Command, Reply

OverrideAction = Literal["allow", "deny", "limit"]


@dataclass(frozen=True)
class Override:
    """An override: `allow` records nothing, `deny` denies every check, `limit` decides by other rules."""

    action: OverrideAction
    limits: Limits | None = None
    ttl_ms: int | None = None
    """Milliseconds until it ends; `None` if it stays."""


def set_command(key: bytes, action: str, limits: LimitsLike | None, ttl: float | None) -> Command:
    """`RL.OVERRIDE SET`.

    Raises:
        ValueError: an action that is none, a `limit` without rules, rules with another action, a policy, or a `ttl`
            under a millisecond or without end.
    """
    if action not in ("allow", "deny", "limit"):
        raise ValueError(f"an override's action is 'allow', 'deny' or 'limit', not {action!r}")
    if (action == "limit") is (limits is None):
        raise ValueError(f"an override '{action}' takes {'limits' if limits is None else 'no limits'}")
    words: tuple[str, ...] = ()
    if limits is not None:
        rules = limits_of(limits)
        if rules.policy is not None:
            raise ValueError("an override takes rules, not a policy")
        words = rules.words
    if ttl is not None and not 0.001 <= ttl < inf:
        raise ValueError(f"an override's ttl is a number of seconds, at least 0.001, not {ttl!r}")
    end = () if ttl is None else ("PX", int(ttl * 1000))
    return ("RL.OVERRIDE", "SET", key, action.upper(), *words, *end)


def read_override(reply: Reply) -> Override | None:
    """What `RL.OVERRIDE GET` replies."""
    if reply is None:
        return None
    fields = read_map(reply)
    rules = read_rules(fields["rules"])
    action, ttl = text(fields["action"]), cast("int", fields["ttl_ms"])
    if action not in ("allow", "deny", "limit"):
        raise ResponseError(f"an override's action {action!r} is not known")
    limits = Limits.of_rules(rules) if rules else None
    return Override(cast("OverrideAction", action), limits, None if ttl < 0 else ttl)


def read_map(reply: Reply) -> dict[str, Reply]:
    """A map, which RESP2 has as a flat list."""
    if isinstance(reply, Mapping):
        return {text(name): value for name, value in reply.items()}
    if isinstance(reply, list):
        names = iter(reply)
        return {text(name): value for name, value in zip(names, names, strict=False)}
    raise ResponseError(f"a map was expected, not {reply!r}")


def read_rules(reply: Reply) -> Sequence[tuple[int, int]]:
    """Pairs of limit and window in milliseconds."""
    return [(limit, window) for limit, window in cast("list[tuple[int, int]]", reply or [])]


def text(reply: Reply) -> str:
    """A string, whatever the client makes of it."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)
