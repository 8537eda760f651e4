"""Classifies the errors of redis-py: is the server unavailable, or is the command wrong?"""

from __future__ import annotations

import asyncio
import re
import textwrap
from typing import TYPE_CHECKING

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MaxConnectionsError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from .._core import failure_kind
from ..errors import NeedsModuleError, NoPolicyError

if TYPE_CHECKING:
    from typing import Literal

    FailureKind = Literal["transient", "connection-lost"]

TRANSPORT_ERRORS = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
"""The errors that redis-py raises in place of a reply."""


class LimiterClosedError(ConnectionAbortedError):
    """The limiter was closed while a command was in progress. Says nothing about the server."""


class OtherShardError(ConnectionAbortedError):
    """The node to which this server redirected a command is unavailable. Says nothing about this server."""


class LacksModuleError(OtherShardError):
    """The node to which this server redirected a command did not execute it, because it lacks the module."""


UNCOUNTED_ERRORS = (LimiterClosedError, OtherShardError)
"""The errors that say nothing about the server that the command was for."""

_TRANSIENT = (
    asyncio.TimeoutError,
    AskError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MaxConnectionsError,
    OutOfMemoryError,
    RedisClusterException,
    RedisTimeoutError,
    TryAgainError,
)
_CONNECTION_LOST = (AuthenticationError, InvalidResponse, ReadOnlyError, RedisConnectionError, OSError)


ARGUMENTS = ", with args beginning with"
"""Precedes the arguments of a command that the server does not know."""

_CLIENT = re.compile(r"<redis\..*?> - ")
"""Precedes the error of each Sentinel: its client with all options, in which old versions show the password."""


def classify(error: object) -> FailureKind | None:
    """Returns how the server is unavailable, or `None` if it rejected the command itself.

    `connection-lost`: the connection leads to no server, or not to a primary. `transient`: the server did not serve
    this command, but the next one may succeed.
    """
    if isinstance(error, _TRANSIENT):
        return "transient"
    if isinstance(error, _CONNECTION_LOST):
        return "connection-lost"
    if isinstance(error, ResponseError):
        return failure_kind(str(error))
    return None


def is_rejection(error: object) -> bool:
    """Whether the server, or this process in its place, rejected a command as wrong."""
    return isinstance(error, (ResponseError, NoPolicyError, NeedsModuleError))


def connect_error(error: Exception) -> RedisConnectionError:
    """Wraps an error that `classify` does not know, raised while connecting.

    A credential provider may raise anything, and a server without `AUTH` quotes the password.
    """
    return RedisConnectionError(f"cannot connect: {type(error).__name__}: {describe(error)}")


def describe(error: BaseException, user: str = "the user") -> str:
    """The error in one line without passwords. If the server refused the credentials, it names their owner, `user`."""
    refusal = _authentication_error(error)
    if refusal is not None:
        return f"the server refused the user name or password of {user}: {_one_line(refusal)}"
    return _one_line(error)


def _authentication_error(error: BaseException | None) -> AuthenticationError | None:
    """The error itself or its cause: a cluster's client wraps the errors of its nodes."""
    while error is not None and not isinstance(error, AuthenticationError):
        error = error.__cause__
    return error


def _one_line(error: BaseException) -> str:
    """redis-py may quote a whole command, even the script; an error may also have no text."""
    line = _CLIENT.sub("", str(error).partition("\n")[0]).partition(ARGUMENTS)[0]
    return textwrap.shorten(line, 300, placeholder=" ...") or type(error).__name__
