"""The commands about keys and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import RatelogError, UnavailableError
from .output import Output, cell, fields, instant, milliseconds, table

if TYPE_CHECKING:
    from argparse import Namespace

    from .._core import Decision
    from ..engine.overrides import Override
    from ..sync import SyncRateLimiter


def top(limiter: SyncRateLimiter, args: Namespace) -> Output:
    keys = limiter.admin.top(args.kind, args.count)
    return Output(keys, table([(top.key, top.checks) for top in keys], "KEY", "CHECKS"))


def stats(limiter: SyncRateLimiter, args: Namespace) -> Output:
    stats = limiter.admin.stats(reset=args.reset)
    rows = [
        (name, c.checks, c.allowed, c.denied, c.shadow_denied, c.overridden, c.near, rules)
        for name, c, rules in (
            ("(all)", stats, "-"),
            *((name, policy, " ".join(map(str, policy.denied_by_rule))) for name, policy in stats.policies.items()),
        )
    ]
    header = ("POLICY", "CHECKS", "ALLOWED", "DENIED", "SHADOW DENIED", "OVERRIDDEN", "NEAR", "DENIED BY RULE")
    return Output(stats, table(rows, *header))


def inspect(limiter: SyncRateLimiter, args: Namespace) -> Output:
    info = limiter.admin.inspect(args.key)
    if info is None:
        raise RatelogError(f"the key {cell(args.key)!r} holds no units and no override")
    text = fields(
        ("units", info.units),
        ("oldest", instant(info.oldest_ms)),
        ("newest", instant(info.newest_ms)),
        ("retention", milliseconds(info.retention_ms)),
        ("bytes", info.bytes),
        ("override", _override(info.override)),
    )
    return Output(info, text)


def check(limiter: SyncRateLimiter, args: Namespace) -> Output:
    decide = limiter.peek if args.peek else limiter.check
    decision = decide(args.key, args.limits or args.policy, args.cost)
    if decision.source not in ("module", "script"):
        raise UnavailableError(f"the server is unavailable: {limiter.health().last_error}")
    text = fields(
        ("allowed", decision.allowed),
        ("limit", decision.limit),
        ("window", milliseconds(decision.window_ms)),
        ("remaining", decision.remaining),
        ("retry after", milliseconds(decision.retry_after_ms, "never")),
        ("reset after", milliseconds(decision.reset_after_ms)),
    )
    return Output(decision, text, 0 if decision.allowed else 1)


def explain(limiter: SyncRateLimiter, args: Namespace) -> Output:
    explanation = limiter.admin.explain(args.key, args.limits or args.policy, args.cost)
    decisions = [(str(index), rule) for index, rule in enumerate(explanation.rules)]
    rows = [_row(name, decision) for name, decision in (*decisions, ("decision", explanation.decision))]
    header = ("RULE", "ALLOWED", "LIMIT", "WINDOW", "REMAINING", "RETRY AFTER", "RESET AFTER")
    rule = "" if explanation.rule is None else f", rule {explanation.rule}"
    lines = [table(rows, *header), "", f"decided by: {explanation.decided_by}{rule}"]
    if explanation.override is not None:
        lines.append(f"override: {_override(explanation.override)}")
    return Output(explanation, "\n".join(lines))


def list_overrides(limiter: SyncRateLimiter, args: Namespace) -> Output:
    overrides = list(limiter.admin.overrides(args.match, 1000))
    rows = [
        (listed.key, listed.database, listed.action, listed.limits, milliseconds(listed.ttl_ms)) for listed in overrides
    ]
    return Output(overrides, table(rows, "KEY", "DATABASE", "ACTION", "LIMITS", "ENDS IN"))


def set_override(limiter: SyncRateLimiter, args: Namespace) -> Output:
    limiter.set_override(args.key, args.action, args.limits, ttl=args.ttl)
    return Output({"set": True}, "set")


def delete_override(limiter: SyncRateLimiter, args: Namespace) -> Output:
    if not limiter.del_override(args.key):
        raise RatelogError(f"the key {cell(args.key)!r} has no override")
    return Output({"deleted": True}, "deleted")


def _row(name: str, decision: Decision) -> tuple[object, ...]:
    return (
        name,
        decision.allowed,
        decision.limit,
        milliseconds(decision.window_ms),
        decision.remaining,
        milliseconds(decision.retry_after_ms, "never"),
        milliseconds(decision.reset_after_ms),
    )


def _override(override: Override | None) -> str | None:
    if override is None:
        return None
    limits = "" if override.limits is None else f" {override.limits}"
    end = "" if override.ttl_ms is None else f", ends in {milliseconds(override.ttl_ms)}"
    return f"{override.action}{limits}{end}"
