"""Whether the server's ACL lets a user run the commands of a limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from redis.exceptions import ResponseError

from .._core import Policies
from ..check import to_check, with_prefix
from ..engine.commands import LOAD_SCRIPT, ScriptDialect
from ..prefix import Prefix
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.commands import Command
    from ..settings import Settings

SUBJECT = "rights"

_RIGHTS_OF_SCRIPT = (
    "+evalsha +script|load +time +zadd +zcard +zcount +zrange +zrem +zremrangebyrank +zremrangebyscore"
    " +zrevrangebyscore +pexpire +unlink"
)


def check_rights(client: Any, settings: Settings, *, module: bool) -> Finding:
    """Sends each command of a limiter to one server, so that it changes nothing that lasts.

    The server examines the rights before the arguments. So a command with a wrong argument shows whether the user has
    the right, without `ACL DRYRUN`, which a user for an application may not run.
    """
    prefix = Prefix(settings.prefix).value
    keys = f"{prefix}:*" if prefix else "*"
    key = with_prefix(prefix, f"doctor:{uuid4().hex}".encode())
    commands = _module_commands(key) if module else _script_commands(key)
    denied = [(name, error) for name, command in commands if (error := _denial(client, command)) is not None]
    if not denied:
        return Finding("ok", SUBJECT, f"the user may run the commands of a limiter on the keys {keys}")
    # An error about keys concerns all commands; the others are more exact.
    if any("access" in error and "key" in error for _, error in denied):
        way_out = f"ACL SETUSER <user> ~{keys}, or change the setting prefix"
    elif any(_is_of_command_in_script(error) for _, error in denied):
        # The server names at most one of them.
        way_out = f"ACL SETUSER <user> {_RIGHTS_OF_SCRIPT}"
    else:
        way_out = "ACL SETUSER <user> " + " ".join(f"+{name}" for name in dict.fromkeys(name for name, _ in denied))
    names = ", ".join(dict.fromkeys(name for name, _ in denied))
    return Finding("error", SUBJECT, f"the user may not run {names} on the keys {keys}; {way_out}")


def _module_commands(key: bytes) -> Sequence[tuple[str, Command]]:
    return (
        ("rl.check", ("RL.CHECK", key, "none", "1s")),
        ("rl.peek", ("RL.PEEK", key, 1, "1s")),
        ("rl.mcheck", ("RL.MCHECK", "none", key, 1, "1s")),
        ("rl.refund", ("RL.REFUND", key, "COST", "none")),
        ("rl.reset", ("RL.RESET", key)),
        ("rl.policy|get", ("RL.POLICY", "GET", "doctor")),
    )


def _script_commands(key: bytes) -> Sequence[tuple[str, Command]]:
    """Records one unit of a key of its own, and deletes it: only the script knows which commands it needs."""
    dialect = ScriptDialect(Policies({}))
    return (
        ("script|load", LOAD_SCRIPT),
        ("evalsha", dialect.check(to_check(key, "1/second"))),
        ("evalsha", dialect.reset(key)),
    )


def _denial(client: Any, command: Command) -> str | None:
    """The error of a missing right. Other errors say that the user has the right."""
    try:
        client.execute_command(*command)
    except ResponseError as error:
        text = str(error).lower()
        return text if "permission" in text or _is_of_command_in_script(text) else None
    return None


def _is_of_command_in_script(error: str) -> bool:
    """The second is what Redis 7.0 reports."""
    return "acl failure in script" in error or "can't run this command" in error
