"""The commands about policies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NoPolicyError
from .output import Output, table

if TYPE_CHECKING:
    from argparse import Namespace

    from ..sync import SyncRateLimiter

_HEADER = ("NAME", "MODE", "LIMITS")


def list_all(limiter: SyncRateLimiter, args: Namespace) -> Output:  # noqa: ARG001 - every command takes arguments
    policies = json.loads(limiter.admin.export_policies())["policies"]
    rows = [
        (
            policy["name"],
            _mode(policy.get("shadow", False)),
            "; ".join(f"{rule['limit']}/{rule['window']}" for rule in policy["rules"]),
        )
        for policy in policies
    ]
    return Output(policies, table(rows, *_HEADER))


def get(limiter: SyncRateLimiter, args: Namespace) -> Output:
    policy = limiter.admin.policy(args.name)
    if policy is None:
        raise NoPolicyError(f"no policy named {args.name!r}; `policies list` shows the names")
    return Output(policy, table([(policy.name, _mode(policy.shadow), policy.limits)], *_HEADER))


def put(limiter: SyncRateLimiter, args: Namespace) -> Output:
    limiter.admin.set_policy(args.name, args.limits, shadow=args.shadow)
    return Output({"set": True}, "set")


def delete(limiter: SyncRateLimiter, args: Namespace) -> Output:
    if not limiter.admin.delete_policy(args.name):
        raise NoPolicyError(f"no policy named {args.name!r}; `policies list` shows the names")
    return Output({"deleted": True}, "deleted")


def export(limiter: SyncRateLimiter, args: Namespace) -> Output:  # noqa: ARG001 - every command takes arguments
    document = limiter.admin.export_policies()
    return Output(json.loads(document), document)


def load(limiter: SyncRateLimiter, args: Namespace) -> Output:
    limiter.admin.import_policies(sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8"))
    return Output({"imported": True}, "imported")


def _mode(shadow: object) -> str:
    return "shadow" if shadow else "enforce"
