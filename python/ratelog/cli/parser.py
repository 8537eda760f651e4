"""The arguments of the command line."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from .. import __version__
from .._core import Limits
from ..check import to_limits
from . import commands, policies
from .output import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

DESCRIPTION = """Looks at limits in a Redis or Valkey server and changes them. Keys are whole Redis keys: the prefix
setting is not added. The environment variables RATELOG_* and the file of RATELOG_CONFIG apply as for a limiter."""
EPILOG = "Exit status: 0; 1 after an error, a denied check, or an error that doctor found; 2 for wrong arguments."


class Parser(argparse.ArgumentParser):
    """A parser with the options that may be before and after each command. Its errors show no credentials."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        unset = argparse.SUPPRESS
        self.add_argument("--url", default=unset, help="the servers; better in RATELOG_URL if it has a password")
        self.add_argument("--config", default=unset, metavar="FILE", help="a TOML file of settings")
        self.add_argument("--json", default=unset, action="store_true", help="print JSON")

    def error(self, message: str) -> NoReturn:
        super().error(one_line(message))


def create_parser() -> Parser:
    """Creates the parser. Parsed arguments have the command's function as `run`, except for `doctor`."""
    parser = Parser(prog="python -m ratelog", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"ratelog {__version__}")
    parser.set_defaults(run=None, url=None, config=None, json=False)
    group = parser.add_subparsers(metavar="COMMAND", required=True)

    top = group.add_parser("top", help="the keys with the most checks in the last minutes")
    top.add_argument("kind", nargs="?", choices=("denied", "checked"), default="denied", help="default: denied")
    top.add_argument("--count", type=_count, default=10, help="the number of keys (10)")
    top.set_defaults(run=commands.top)

    stats = group.add_parser("stats", help="the numbers of checks, in total and for each policy")
    stats.add_argument("--reset", action="store_true", help="set the counts to 0 afterwards")
    stats.set_defaults(run=commands.stats)

    _add_policies(group.add_parser("policies", help="rules that the server stores under names"))
    _add_overrides(group.add_parser("overrides", help="rules for single keys, in place of those of their checks"))

    inspect = group.add_parser("inspect", help="what a key holds")
    inspect.add_argument("key", type=os.fsencode)
    inspect.set_defaults(run=commands.inspect)

    check = group.add_parser("check", help="check a key and record the units; status 1 if the check is denied")
    check.add_argument("--peek", action="store_true", help="record nothing")
    check.set_defaults(run=commands.check)
    explain = group.add_parser("explain", help="the decision of each rule; records nothing")
    explain.set_defaults(run=commands.explain)
    for command in (check, explain):
        command.add_argument("key", type=os.fsencode)
        limits = command.add_mutually_exclusive_group(required=True)
        limits.add_argument("limits", nargs="?", type=_limits, help="such as '5/minute; 100/hour'")
        limits.add_argument("--policy", metavar="NAME", type=_policy, help="a policy in place of limits")
        command.add_argument("--cost", type=_count, default=1, help="units (1)")

    group.add_parser("doctor", help="examine the configuration, the server and the user's rights")
    return parser


def _add_policies(parser: argparse.ArgumentParser) -> None:
    group = parser.add_subparsers(metavar="ACTION", required=True)
    group.add_parser("list", help="all policies").set_defaults(run=policies.list_all)
    get = group.add_parser("get", help="one policy")
    put = group.add_parser("set", help="store a policy, in place of the one of this name")
    delete = group.add_parser("delete", help="delete a policy")
    for command, run in ((get, policies.get), (put, policies.put), (delete, policies.delete)):
        command.add_argument("name")
        command.set_defaults(run=run)
    put.add_argument("limits", type=_limits, help="such as '5/minute; 100/hour'")
    put.add_argument("--shadow", action="store_true", help="allow the checks that the rules deny, and count them")
    group.add_parser("export", help="print all policies as JSON").set_defaults(run=policies.export)
    load = group.add_parser("import", help="replace all policies with those of a file")
    load.add_argument("file", help="the output of export; - for the standard input")
    load.set_defaults(run=policies.load)


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    group = parser.add_subparsers(metavar="ACTION", required=True)
    list_all = group.add_parser("list", help="all overrides")
    list_all.add_argument("--match", metavar="PATTERN", type=os.fsencode, help="select keys by a pattern of SCAN")
    list_all.set_defaults(run=commands.list_overrides)
    put = group.add_parser("set", help="set a key's override")
    delete = group.add_parser("delete", help="delete a key's override")
    for command, run in ((put, commands.set_override), (delete, commands.delete_override)):
        command.add_argument("key", type=os.fsencode)
        command.set_defaults(run=run)
    put.add_argument("action", choices=("allow", "deny", "limit"))
    put.add_argument("limits", nargs="?", type=_limits, help="the rules of limit")
    put.add_argument("--ttl", metavar="SECONDS", type=float, help="the time until it ends; by default it stays")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a positive integer, not {text!r}")
    return int(text)


def _limits(text: str) -> Limits:
    return _parse(to_limits, text)


def _policy(text: str) -> Limits:
    return _parse(Limits.of_policy, text)


def _parse(parse: Callable[[str], Limits], text: str) -> Limits:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(one_line(error)) from None
