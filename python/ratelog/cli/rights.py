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


def check_rights(client: Any, settings: Settings, *, module: bool) -> Finding:
    """Sends each command of a limiter to one server, so that it changes nothing that lasts.

    The server examines the rights before the arguments. So a command with a wrong argument shows whether the user has
    the right, without `ACL DRYRUN`, which a user for an application may not run.
    """
    prefix = Prefix(settings.prefix).value
    key = with_prefix(prefix, f"doctor:{uuid4().hex}".encode())
    commands = _module_commands(key) if module else _script_commands(key)
    denied = [(name, error) for name, command in commands if (error := _denial(client, command)) is not None]
    if not denied:
        return Finding("ok", SUBJECT, f"the user may run the commands of a limiter on the keys {prefix}:*")
    # An error about keys concerns all commands; the others are more exact.
    if any("access" in error and "key" in error for _, error in denied):
        way_out = f"ACL SETUSER <user> ~{prefix}:*, or change the setting prefix"
    else:
        way_out = "ACL SETUSER <user> " + " ".join(f"+{name}" for name, _ in denied)
    names = ", ".join(name for name, _ in denied)
    return Finding("error", SUBJECT, f"the user may not run {names} on the keys {prefix}:*; {way_out}")


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
        # The second is what Redis 7.0 reports of a command in a script.
        return text if "permission" in text or "can't run this command" in text else None
    return None
