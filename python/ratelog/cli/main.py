"""Runs a command and prints its output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from ..errors import NeedsModuleError, RatelogError
from ..settings import load
from ..sync import SyncRateLimiter
from .doctor import diagnose
from .output import one_line, to_json
from .parser import create_parser

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from .output import Output

TIMEOUT = 5.0
"""The least time to wait for a reply, in seconds. A limiter waits much less."""


def main(argv: Sequence[str]) -> int:
    """Runs the command of `argv`. Returns the exit status; wrong arguments raise `SystemExit(2)`."""
    args = create_parser().parse_args(argv)
    try:
        output = diagnose(args.config, args.url, TIMEOUT) if args.run is None else _run(args)
    except (RatelogError, RedisError, ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 1
    sys.stdout.write(f"{to_json(output.value) if args.json else output.text}\n")
    return output.status


def _run(args: Namespace) -> Output:
    settings = load(args.config, **({} if args.url is None else {"url": args.url}))
    if settings.url.startswith("memory://"):
        raise NeedsModuleError("memory:// has no server: pass --url, or set RATELOG_URL")
    timeout = max(settings.timeout, TIMEOUT)
    # Operators name whole keys, as in the commands of the module, and mean the server.
    with SyncRateLimiter(
        args.url, config=args.config, timeout=timeout, deny_cache=0, prefix="", enabled=True
    ) as limiter:
        output: Output = args.run(limiter, args)
        return output
